"""Every finished retraining of a store at a glance: <store>/index.html."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tasks import storage
from tasks.pages import overview_report
from tasks.registry import champion_stack, read_promotions, read_record

READERS = 16
SUMMARIES_ONLY = ("run", "finished", "started", "dataset", "models", "champion")

Summary = dict[str, Any]


def write_overview(store: str) -> str:
    """Write the page anew from the summaries of the runs, which are the truth. Returns its URL.

    It is written until nothing came in meanwhile: of two runs that finish at once, the one that writes last
    has seen both.
    """
    url, written = storage.overview_url(store), None
    while (found := (summaries(store), champion_stack(read_promotions(store)))) != written:
        runs, stack = found
        champion = read_record(store, stack[-1]) if stack else None  # its run may have been removed
        page = overview_report(store, runs[::-1], champion, champion_line(runs))
        storage.write_bytes(url, page.encode())
        written = found
    return url


def summaries(store: str) -> list[Summary]:
    """What the page tells of each finished retraining, oldest first."""
    runs = storage.runs_url(storage.absolute(store))
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(read_summary, [storage.join(runs, name) for name in storage.names(runs)])
    return [summary for summary in found if summary]


def read_summary(run: str) -> Summary | None:
    """None of a run that is at work, died or trains nothing."""
    try:
        summary = storage.read_record(storage.summary_url(run))
    except FileNotFoundError:
        return None
    told = {name: summary[name] for name in SUMMARIES_ONLY if name in summary}
    return told | {"run": storage.name_of(run)} if told else None


def champion_line(runs: Sequence[Summary]) -> list[dict[str, Any]]:
    """The champion's accuracy after each run that could measure it, each on its own night's test images."""
    line = []
    for summary in runs:
        verdict = summary.get("champion") or {}
        comparison = verdict.get("comparison")
        if verdict.get("promoted"):
            test = (summary.get("models") or {}).get(verdict["model"], {}).get("test") or {}
            version, accuracy = verdict["version"], test.get("accuracy")
        elif comparison:
            version = verdict["previous"]
            accuracy = (comparison["both_right"] + comparison["only_first"]) / comparison["images"]
        else:
            continue
        if accuracy is not None:
            point = {"run": summary["run"], "version": version, "accuracy": accuracy}
            line.append(point | {"promoted": bool(verdict.get("promoted"))})
    return line
