"""The home page of a store, <store>/index.html: all that happened in it, and how good its champion was."""

import logging
from collections.abc import Sequence
from typing import Any

from tasks import storage
from tasks.ahead import map_requests
from tasks.dataset import Dataset
from tasks.display import try_to_show
from tasks.errors import InputError, JobError
from tasks.pages import overview_report
from tasks.publishing.history import (
    EXPLORATION,
    by_hand,
    events_of,
    note_output,
    read_classifications,
    read_reviews,
)
from tasks.publishing.outputs import accuracies_on_folders
from tasks.registry import champion_stack, read_promotions, read_record
from tasks.storage import Run

NEEDED = ("dataset", "models", "champion")
OPTIONAL = ("kind", "started", "finished", "training")

Record = dict[str, Any]

log = logging.getLogger("darkroom")


def write_overview(store: str) -> str:
    """Write the page anew from the summaries of the runs and the promotions. Returns its URL.

    A page that cannot be written is told of and no more: what it shows is done.
    """
    url = storage.overview_url(store)
    try_to_show(lambda: write_until_settled(url, store), url)
    return url


def note_classification(store: str, summary: Record) -> None:
    """Note in the store what was classified and what is expected of it, and write the page anew.

    summary: its summary.json. A store that cannot be written is told of and no more.
    """

    def note() -> None:
        note_output(store, summary)
        write_until_settled(storage.overview_url(store), store)

    try_to_show(note, "on the page over all runs")


def dataset_summary(dataset: Dataset) -> Record:
    """What every summary.json says of the dataset."""
    return {
        "root": dataset.images_url,
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "counts": dataset.counts,
        "bad": dataset.bad,
        **dataset.corrections,
        "origin": dataset.origin,
    }


def write_until_settled(url: str, store: str) -> None:
    """Write the page until the records are the same after writing as before.

    Of two runs that finish at once, each of which may miss the other at first, the one that writes last has
    seen both.
    """
    written_records = None
    name = storage.name_of(storage.absolute(store))  # not where it lies: it may be moved
    while (records := read_records(store)) != written_records:
        summaries, entries, outputs, reviews, accuracies = records
        stack = champion_stack(entries)
        record = champion_record(store, stack[-1]) if stack else None
        line = champion_line([summary for summary in summaries if "models" in summary], entries)
        events = events_of(store, summaries, entries, outputs, reviews)
        page = overview_report(name, events, record, line, accuracies)
        storage.write_bytes(url, page.encode())
        written_records = records


def read_records(store: str) -> tuple[list[Record], ...]:
    """What the page shows: finished runs, the log of promotions, classifications, reviews, accuracies."""
    classifications = read_classifications(store)
    accuracies = try_to_show(lambda: accuracies_on_folders(store, classifications), "how right models are")
    reviews = try_to_show(lambda: read_reviews(store), "what people answered")
    return read_summaries(store), read_promotions(store), classifications, reviews or [], accuracies or []


def champion_record(store: str, version: str) -> Record:
    """The champion's model.json, since its run may have been removed; its name alone where that is lost."""
    try:
        return read_record(store, version)
    except (InputError, JobError) as error:
        log.warning("Of the champion the overview has only the name: %s", error)
        return {"version": version}


def read_summaries(store: str) -> list[Record]:
    """What the page shows of each finished retraining and exploration, oldest first."""
    store = storage.absolute(store)
    runs = [Run(name, store).folder_url for name in storage.names(storage.runs_url(store))]
    return [summary for summary in map_requests(read_summary, runs) if summary]


def read_summary(run_url: str) -> Record | None:
    """What the page shows of a run; None where it is at work, died or says too little."""
    try:
        summary = storage.read_record(storage.summary_url(run_url))
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError) as error:  # of a newer Darkroom, or damaged
        log.warning("Not in the overview: summary.json of %s: %s", run_url, error)
        return None
    needed = NEEDED[:1] if summary.get("kind") == EXPLORATION else NEEDED
    if missing := [name for name in needed if name not in summary]:
        log.warning("Not in the overview: summary.json of %s lacks %s", run_url, ", ".join(missing))
        return None
    shown_parts = {name: summary[name] for name in (*OPTIONAL, *NEEDED) if name in summary}
    return shown_parts | {"run": storage.name_of(run_url)}


def champion_line(summaries: Sequence[Record], entries: Sequence[Record] = ()) -> list[dict[str, Any]]:
    """A point for each retraining that measured the champion after it, and for each change of it by hand.

    A point has `run`, `version`, `accuracy`, `promoted` and `at`. entries: the log of promotions.

    The accuracy is that on the run's own test images, of its model if that was promoted, else of the champion
    it was compared with; of a change by hand, that of the version in the run that made it. Left out are runs
    of an older Darkroom, which judged champions at another size.
    """
    line = []
    sizes = {version: size for summary in summaries for version, size in sizes_of(summary)}
    for summary in summaries:
        verdict = summary["champion"]
        comparison = verdict.get("comparison")
        if verdict["promoted"]:
            version, accuracy = verdict["version"], summary["models"][verdict["model"]]["test"]["accuracy"]
        elif comparison and is_true(
            comparison, sizes.get(verdict["version"]), sizes.get(verdict["previous"])
        ):
            version = verdict["previous"]
            accuracy = (comparison["both_right"] + comparison["only_first"]) / comparison["images"]
        else:
            continue
        point = {"run": summary["run"], "version": version, "accuracy": accuracy}
        at = summary.get("finished") or summary.get("started") or ""
        line.append(point | {"promoted": verdict["promoted"], "at": at})
    return sorted([*line, *changes_by_hand(summaries, entries)], key=lambda point: point["at"])


def changes_by_hand(summaries: Sequence[Record], entries: Sequence[Record]) -> list[Record]:
    """A point of the line for each version that a person made champion, as far as its run is still there."""
    accuracies = {
        model["version"]: model["test"]["accuracy"]
        for summary in summaries
        for model in summary["models"].values()
        if "version" in model
    }
    return [
        {
            "run": "by hand",
            "version": version,
            "accuracy": accuracies[version],
            "promoted": True,
            "at": entry["at"],
        }
        for entry in entries
        if entry["action"] in ("promote", "rollback")
        and by_hand(entry)
        and (version := entry["version"]) in accuracies
    ]


def sizes_of(summary: Record) -> list[tuple[str, int]]:
    """The versions of a run, each with the size of its images."""
    size_px = summary.get("training", {}).get("image_size")
    return [
        (model["version"], size_px) for model in summary["models"].values() if size_px and "version" in model
    ]


def is_true(comparison: Record, challenger_px: int | None, champion_px: int | None) -> bool:
    """Whether the champion was judged at its own size; taken for granted where sizes are not known."""
    return (
        "champion_size_px" in comparison
        or None in (challenger_px, champion_px)
        or challenger_px == champion_px
    )
