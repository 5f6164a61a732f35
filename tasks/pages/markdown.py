"""What the Prefect UI shows of a run, in Markdown: its result in short, a link to the report, the plots."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tasks.audit import soundness
from tasks.pages.metrics import BRIEF, metric_texts
from tasks.pages.next_steps import REVIEW_ASKS
from tasks.pages.words import (
    Pictures,
    Record,
    classification_verdict,
    data_uri,
    drifted_features,
    duration,
    finding,
    labelled_of,
    number,
    percent,
    rightness,
    sentence,
    verdict_of,
)

SPECIAL = re.compile(r"[!\"#$&*<>?@\[\\\]^`{|}~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=:)/")
MODEL_PLOTS = {
    "learning_curves": "Learning curves",
    "confusion": "Confusion matrix",
    "slices": "Where it is worse",
    "reliability": "Reliability diagram",
}
DATA_PLOTS = {
    "classes.png": "Images a class",
    "splits.png": "Images a split",
    "samples.png": "Sample images",
    "sizes.png": "Sizes",
}
LABEL_PLOTS = {
    "drift.png": "Drift",
    "labels.png": "Images of each label",
    "confidence.png": "How sure the model was",
}
SUSPECTS_SHOWN = 10


def retrain_markdown(
    summary: Record,
    metrics: Mapping[str, Record],
    pictures: Pictures,
    report_link: str,
    review: str = "",
) -> str:
    """A training run: the verdict, the link to the report, a table of the models, the plots.

    metrics: the metrics.json of each model in the summary. report_link: as `link_to_report` gives it.
    review: as `storage.review_way` does.
    """
    titles = {"comparison.png": "Models compared"}
    for kind in summary["models"]:
        titles |= {f"{kind}/{key}.png": f"{title} of {kind}" for key, title in MODEL_PLOTS.items()}
    return _page(
        *_verdict(verdict_of(summary)),
        *(f"**{plain(kind)}** is missing. {plain(why)}" for kind, why in summary["failures"].items()),
        report_link,
        _review(review),
        _models(summary["models"], metrics),
        *_confused(metrics),
        *_plots(titles | DATA_PLOTS, pictures),
    )


def explore_markdown(audit: Record, pictures: Pictures, report_link: str) -> str:
    """An image folder: whether it is sound, the link to the report, images a class, the plots."""
    verdict, splits, counts = soundness(audit), audit["splits"], audit["counts"]
    classes = list(next(iter(splits.values()), {}))
    rows = [(name, *(number(images[name]) for images in splits.values())) for name in classes]
    return _page(
        f"## {verdict.title}",
        f"{number(counts['ok'])} usable images in {number(counts['files'])} files.",
        "\n".join(f"- {plain(point)}" for point in verdict.points),
        report_link,
        _table(("class", *splits), rows),
        *_suspects(audit["labels"]["suspects"]),
        *_plots(DATA_PLOTS, pictures),
    )


def classify_markdown(summary: Record, pictures: Pictures, report_link: str, review: str = "") -> str:
    """A bulk classification: how many files, the link to the report, labels, drift, the plots."""
    rate = number(summary["images_per_second"])
    new_files = summary["new_files"]
    drifted = drifted_features(new_files)
    of_files = f" of {number(new_files['images'])} new files"
    drift = f"**Drift since the model was trained:** {plain(', '.join(drifted))}{of_files}."
    labels = sorted(summary["labels"].items(), key=lambda pair: -pair[1])
    return _page(
        f"## {plain(sentence(classification_verdict(summary)))}",
        f"**{number(summary['ok'])}** {plain(labelled_of(summary))}, by {plain(summary['model'])}; "
        f"{number(summary['bad'])} bad files; {number(summary['classified'])} in this run, {rate} a second. "
        f"Unsure: {number(summary['unsure'])}."
        + (f" Unlike all that it knows: {number(unlike)}." if (unlike := summary.get("unlike")) else ""),
        drift if drifted else "",
        *map(plain, rightness(summary)),
        report_link,
        _review(review),
        _table(("label", "images"), [(name, number(images)) for name, images in labels]),
        *_plots(LABEL_PLOTS, pictures),
    )


def _review(way: str) -> str:
    """What a person does next, as every report says it. way: as `storage.review_way` gives it."""
    if not way:
        return ""
    asker = f"[The review page]({way})" if way.startswith("http") else f"**{plain(way)}**"
    return f"What to do next: {asker} {REVIEW_ASKS}"


def link_to_report(url: str, address: str | None) -> str:
    """A link to a report by its web address, or its URL where a browser cannot have it."""
    return f"[Open the report]({address})" if address else f"Report: {plain(url)}"


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(verdict: Record) -> Iterator[str]:
    test = verdict["test"]
    interval = f"{percent(test['low'])} to {percent(test['high'])}"
    yield f"## {plain(verdict['title'])}"
    yield f"Right on **{percent(test['accuracy'])}** of the test images (95 % interval {interval})."
    yield plain(verdict["reason"])
    if previous := verdict["previous"]:
        yield f"{'Before it' if verdict['promoted'] else 'The champion stays'}: {plain(previous)}."


def _models(models: Mapping[str, Record], metrics: Mapping[str, Record]) -> str:
    """A row a model: its brief metrics, its parameters and how long it was trained."""
    scores = {kind: metric_texts(metrics[kind]["test"], BRIEF) for kind in models}
    words = next(iter(scores.values()))
    rows = [
        (kind, *scores[kind].values(), number(model["parameters"]), duration(model["seconds"]))
        for kind, model in models.items()
    ]
    return _table(("on the test images", *words, "parameters", "trained in"), rows)


def _confused(metrics: Mapping[str, Record]) -> Iterator[str]:
    for kind, of_model in metrics.items():
        if pairs := of_model["confused"]:
            words = "; ".join(plain(pair["words"]) for pair in pairs)
            yield f"**{plain(kind)}** errs most where {words}."


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Names on the left, all else on the right; nothing where there are no rows."""
    lines = [f"| {' | '.join(map(plain, row))} |" for row in rows]
    if not lines:
        return ""
    names = list(head)
    return "\n".join([f"| {' | '.join(names)} |", "|:--|" + "--:|" * (len(names) - 1), *lines])


def _suspects(suspects: Sequence[Record]) -> Iterator[str]:
    if suspects:
        rows = [
            (row["path"], row["given"], row["suggested"], percent(row["suggested_probability"]))
            for row in suspects[:SUSPECTS_SHOWN]
        ]
        yield "### Labels that look wrong"
        yield _table(("file", "given", "suggested", "probability"), rows)


def _plots(titles: Mapping[str, str], pictures: Pictures) -> Iterator[str]:
    for key, title in titles.items():
        if key in pictures:
            words = f"{title}: {text}" if (text := finding(pictures[key])) else title
            yield f"### {plain(title)}\n\n![{plain(words)}]({data_uri(pictures[key])})"


def plain(text: object) -> str:
    """Make text mean itself in Markdown and in HTML: no markup, no table bars, no line breaks."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))
