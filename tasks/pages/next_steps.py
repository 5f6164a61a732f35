"""What a person should do next after a run: at most MAX_STEPS lines, each with the place that shows why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tasks.audit import CHECKS
from tasks.pages.words import Record, count, drifted_features, in_words, number, percent, sentence

MAX_STEPS = 5
FOLDERS = 2  # named in a line
REVIEW_ASKS = (
    "asks about the images most worth a look, one by one; the next retraining learns from the answers."
)
PAIR_IMAGES = 2  # a pair of classes that was confused less often says nothing


@dataclass(frozen=True)
class Step:
    """One line; `href` is the section of the page that shows what it is about."""

    text: str
    href: str


def retrain_steps(summary: Record, audit: Record, metrics: Record) -> list[Step]:
    """After a training. metrics: the metrics.json of the model that the verdict is about."""
    return list(islice(_retrain_steps(summary, audit, metrics), MAX_STEPS))


def explore_steps(audit: Record) -> list[Step]:
    """After a look at a dataset: what its checks say."""
    points = [Step(point, f"#{check.name}") for check in CHECKS for point in check.points(audit)]
    return points[:MAX_STEPS]


def classify_steps(summary: Record, bad: Sequence[Record]) -> list[Step]:
    """After a classification. bad: the first rows of files that could not be classified."""
    steps = []
    if drifted := drifted_features(summary):
        text = (
            f"Label some of these images and retrain: {in_words(drifted)} differ from what the model knows."
        )
        steps.append(Step(text, "#drift"))
    if unsure := summary["unsure"]:
        text = f"Look at the {count(unsure, 'image')} that the model is unsure of."
        steps.append(Step(text, "#unsure"))
    if unlike := summary.get("unlike"):  # older summaries do not have it
        images = count(unlike, "image that is", "images that are")
        text = f"Look at the {images} unlike all that the model knows."
        steps.append(Step(text, "#unlike"))
    if summary["bad"]:
        files = count(summary["bad"], "file that cannot", "files that cannot")
        steps.append(Step(f"Mend or remove {files} be used{_folders(bad)}.", "#bad"))
    return steps


def _retrain_steps(summary: Record, audit: Record, metrics: Record) -> Iterator[Step]:
    for kind, reason in summary["failures"].items():
        yield Step(f"Find out why {kind} is missing. {sentence(reason)}", "#models")
    if left_out := summary["dataset"].get("left_out_classes"):  # older summaries do not have it
        lacks = in_words([f"{name} ({lack})" for name, lack in left_out.items()])
        yield Step(f"Add images of the classes that were left out for want of them: {lacks}.", "#classes")
    if suspected := audit["labels"].get("suspected"):
        labels = count(suspected, "label that looks", "labels that look")
        yield Step(f"Review {labels} wrong.", "#labels")
    if conflicts := audit["counts"]["conflicts"]:
        sets = count(conflicts, "set of copies whose labels are", "sets of copies whose labels are")
        yield Step(f"Decide on {sets} in conflict.", "#copies")
    for pair in metrics["confused"][:1]:
        if pair["images"] >= PAIR_IMAGES:
            share = f"{percent(pair['share'], 0)} of {pair['true']} is taken for {pair['predicted']}"
            yield Step(f"Collect more of {pair['true']} against {pair['predicted']}: {share}.", "#pairs")
    weak = [row for row in metrics["slices"] if row["worse"]]
    for row in sorted(weak, key=lambda row: row["accuracy"])[:1]:
        yield Step(f"Add images like the weak ones. {row['words']}.", "#slices")
    if files := audit["counts"]["bad"]:
        words = count(files, "file that cannot", "files that cannot")
        yield Step(f"Mend or remove {words} be used{_folders(audit['bad'])}.", "#files")


def _folders(bad: Sequence[Record]) -> str:
    """Which folders hold most of the bad files; nothing where there are no rows of them."""
    folders = Counter(row["path"].rpartition("/")[0] or "the folder itself" for row in bad)
    if not folders:
        return ""
    most = [f"{folder} ({number(files)})" for folder, files in folders.most_common(FOLDERS)]
    others = len(folders) - len(most)
    return f": most lie in {in_words(most)}" if others else f": in {in_words(most)}"
