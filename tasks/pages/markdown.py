"""What the Prefect UI shows of a run: the short of it in Markdown, with plots and the way to the report."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tasks.audit import soundness
from tasks.pages.words import Pictures, Record, data_uri, duration, number, percent, verdict_of

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
SUSPECTS = 10
LABEL_PLOTS = {"labels.png": "Images of each label", "confidence.png": "How sure the model was"}


def retrain_markdown(
    summary: Record, metrics: Mapping[str, Record], pictures: Pictures, way: str = ""
) -> str:
    """Tell a training run: the verdict, the `way` to the report, a table of the models, the plots."""
    models = summary.get("models") or {}
    titles = {"comparison.png": "Models compared"}
    for name in models:
        titles |= {f"{name}/{key}.png": f"{title} of {name}" for key, title in MODEL_PLOTS.items()}
    return _page(
        *_verdict(verdict_of(summary)),
        way,
        _models(models, metrics),
        *_confused(metrics),
        *_plots(titles | DATA_PLOTS, pictures),
    )


def explore_markdown(audit: Record, pictures: Pictures, way: str = "") -> str:
    """Tell what an image folder holds: whether it is sound, the `way` to the report, counts, the plots."""
    verdict, splits, counts = soundness(audit), audit["splits"], audit["counts"]
    classes = sorted({name for counted in splits.values() for name in counted})
    rows = [(name, *(number(counted.get(name, 0)) for counted in splits.values())) for name in classes]
    return _page(
        f"## {verdict.title}",
        f"{number(counts['ok'])} usable images in {number(counts['files'])} files.",
        "\n".join(f"- {plain(point)}" for point in verdict.points),
        way,
        _table(("class", *splits), rows),
        *_suspects(audit.get("labels", {}).get("suspects", [])),
        *_plots(DATA_PLOTS, pictures),
    )


def classify_markdown(summary: Record, pictures: Pictures, way: str = "") -> str:
    """Tell a bulk classification: how many files, the `way` to the report, labels, drift, the plots."""
    rate = number(summary["images_per_second"])
    drifted = [found["feature"] for found in summary["drift"] if found["drifted"]]
    labels = sorted(summary["labels"].items(), key=lambda pair: -pair[1])
    return _page(
        f"## {number(summary['images'])} files classified, {number(summary['bad'])} of them bad",
        f"{number(summary['classified'])} in this run, {rate} a second, by {plain(summary['model'])}. "
        f"Unsure: {number(summary['unsure'])}.",
        f"**Drift since the model was trained:** {plain(', '.join(drifted))}." if drifted else "",
        way,
        _table(("label", "images"), [(name, number(images)) for name, images in labels]),
        *_plots(LABEL_PLOTS, pictures),
    )


def way_to(report: str, address: str | None) -> str:
    """A link to a report where a browser can have it, else the place it lies at."""
    return f"[Open the report]({address})" if address else f"Report: `{report}`"


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(verdict: Record) -> Iterator[str]:
    yield f"## {plain(verdict['title'])}"
    if test := verdict["test"]:
        interval = f"{percent(test.get('low'))} to {percent(test.get('high'))}"
        yield f"Right on **{percent(test.get('accuracy'))}** of the test images (95 % interval {interval})."
    yield plain(verdict.get("reason") or "")
    if previous := verdict.get("previous"):
        yield f"{'Before it' if verdict['promoted'] else 'The champion stays'}: {plain(previous)}."


def _models(models: Mapping[str, Record], metrics: Mapping[str, Record]) -> str:
    rows = []
    for name, model in models.items():
        test = model.get("test") or {}
        judged = metrics.get(name, {}).get("test") or {}
        rows.append(
            (
                name,
                percent(test.get("accuracy")),
                f"{percent(test.get('low'))} to {percent(test.get('high'))}",
                number(judged.get("macro_f1"), 3),
                percent(test.get("ece")),
                number(model.get("parameters")),
                duration(model.get("seconds")),
            )
        )
    head = ("model", "test accuracy", "95 % interval", "macro F1", "calibration error", "parameters")
    return _table((*head, "trained in"), rows)


def _confused(metrics: Mapping[str, Record]) -> Iterator[str]:
    for name, found in metrics.items():
        if pairs := found.get("confused"):
            words = "; ".join(plain(pair["words"]) for pair in pairs)
            yield f"**{plain(name)}** errs most where {words}."


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Names on the left, all else on the right; nothing where there are no rows."""
    lines = [f"| {' | '.join(map(plain, row))} |" for row in rows]
    if not lines:
        return ""
    names = list(head)
    return "\n".join([f"| {' | '.join(names)} |", "|:--|" + "--:|" * (len(names) - 1), *lines])


def _suspects(suspects: Sequence[Record]) -> Iterator[str]:
    rows = [
        (one["path"], one["given"], one["suggested"], percent(one["suggested_probability"]))
        for one in suspects[:SUSPECTS]
    ]
    if rows:
        yield "### Labels that look wrong"
        yield _table(("file", "given", "suggested", "probability"), rows)


def _plots(titles: Mapping[str, str], pictures: Pictures) -> Iterator[str]:
    for key, title in titles.items():
        if key in pictures:
            yield f"### {plain(title)}\n\n![{plain(title)}]({data_uri(pictures[key])})"


def plain(text: object) -> str:
    """Make text mean itself in Markdown and in HTML: no markup, no table bars, no line breaks."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split()))
