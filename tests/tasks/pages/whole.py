"""Every page as HTML, of any number of classes, with plots and photographs of their real sizes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tasks.pages import html, photo
from tests.tasks.pages import records

LONG = "a_name_of_a_class_without_any_place_to_break_it_" * 2
DATA_PLOTS = {"classes.png": (506, 594), "splits.png": (803, 900), "samples.png": (524, 560)}
DATA_PLOTS |= {"means.png": (524, 280), "sizes.png": (924, 363)}
MODEL_PLOTS = {"learning_curves": (924, 407), "confusion": (1254, 1155), "reliability": (682, 616)}
MODEL_PLOTS |= {"curves": (924, 506), "slices": (803, 600)}
LABEL_PLOTS = {"labels.png": (803, 700), "confidence.png": (803, 396), "unsure.png": (524, 560)}
LABEL_PLOTS |= {"drift.png": (924, 900)}
PHOTO = photo(np.full((8, 8, 3), 90, np.uint8))
Draw = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, bytes]]
REVIEW = "http://127.0.0.1:9/review/"
NIGHT = "2026-11-2{}T03:00:00+00:00"


class AnyPhoto(Mapping[str, bytes]):
    """Plots by their names, and the same photograph whatever picture is asked for."""

    def __init__(self, plots: Mapping[str, bytes]) -> None:
        self._plots = plots

    def __getitem__(self, key: str) -> bytes:
        return self._plots.get(key, PHOTO)

    def __contains__(self, key: object) -> bool:
        return key in self._plots or ":" in str(key)

    def __iter__(self) -> Any:
        return iter(self._plots)

    def __len__(self) -> int:
        return len(self._plots)


def class_names(count: int) -> tuple[str, ...]:
    """That many names, awkward and long ones among them."""
    names = (LONG, records.EVIL, "sea", *(f"class {number}" for number in range(count)))
    return names[:count]


def whole_pages(
    store: str, folder: Path, classes: int, monkeypatch: pytest.MonkeyPatch, draw: Draw | None = None
) -> dict[str, str]:
    """All pages by name. draw: plots by their names, of an audit and of metrics, in place of blank ones."""
    monkeypatch.setattr(records, "CLASSES", class_names(classes))
    monkeypatch.setattr(records, "TEST_IMAGES", min(20 * classes, 3000) + 400)
    metrics = {kind: records.metrics(kind) for kind in ("cnn", "mobilenet_v2")}
    audit, summary = records.audit(store), records.summary(store, metrics)
    refused = summary | {"champion": summary["champion"] | {"promoted": False, "choice": "chosen by size"}}
    plots = AnyPhoto(blank_plots() | (draw(audit, metrics) if draw else {}))
    rows = [
        records.prediction(f"{n}/{LONG}.jpg", name, 0.3 + n % 100 / 200, status="unsure")
        for n, name in enumerate(records.CLASSES)
    ]
    rows += [{"path": f"{records.EVIL}/{LONG}{n}.jpg", "status": "corrupt", "error": LONG} for n in range(60)]
    classified, tally = records.classification(folder, rows, test_images=500)
    samples = tally.samples.rows()
    questions = dict.fromkeys([records.EVIL, rows[0]["path"]], f"{REVIEW}#0")
    return {
        "retrain": html.retrain_report(summary, audit, metrics, plots, "../../index.html", questions, REVIEW),
        "refused": html.retrain_report(refused, audit, metrics, plots),
        "explore": html.explore_report(audit, plots, f"/data/{LONG}"),
        "classify": html.classify_report(
            classified,
            tally.bad,
            tally.least_sure,
            plots,
            questions,
            samples,
            f"darkroom review --store /{LONG}",
        ),
        "index": index(summary, classified, records.model_record(store, metrics["cnn"])),
    }


def index(summary: dict[str, Any], classified: dict[str, Any], champion: dict[str, Any]) -> str:
    run = summary | {"finished": NIGHT.format(1)}
    decision = {"action": "rollback", "version": LONG, "reason": f"rolled back from {LONG}", "by": "somebody"}
    exploration = {"run": "2026-11-23T03-00-00-abcd", "dataset": summary["dataset"]}
    events = [
        event("classification", 4, classified, "../predictions/report.html"),
        event("exploration", 3, exploration, "runs/2026-11-23T03-00-00-abcd/report.html"),
        event("decision", 2, decision, None),
        event("retraining", 1, run, "runs/2026-11-21T03-00-00-abcd/report.html"),
    ]
    line = [
        {
            "run": f"night {n}",
            "version": LONG,
            "accuracy": 0.9 + n / 100,
            "promoted": n != 2,
            "at": NIGHT.format(n),
        }
        for n in (1, 2, 3)
    ]
    accuracy = {"accuracy": 0.9, "low": 0.8, "high": 0.95, "images": 200, "until": NIGHT.format(3)}
    expected = accuracy | {"folder": LONG, "doubtful": True, "at": NIGHT.format(3), "since": NIGHT.format(1)}
    accuracies = [{"model": LONG, "expected": expected, "measured": accuracy}]
    return html.overview_report("a store", events, champion, line, accuracies)


def event(kind: str, night: int, record: Mapping[str, Any], link: str | None) -> dict[str, Any]:
    return {"kind": kind, "at": NIGHT.format(night), "link": link, "record": record}


def blank_plots(kinds: Sequence[str] = ("cnn", "mobilenet_v2")) -> dict[str, bytes]:
    """A blank picture of the size of each plot, and files to be downloaded."""
    sizes = DATA_PLOTS | LABEL_PLOTS | {"comparison.png": (803, 286)}
    sizes |= {f"{kind}/{name}.png": size for kind in kinds for name, size in MODEL_PLOTS.items()}
    plots = {name: blank(*size) for name, size in sizes.items()}
    return plots | {"wrong_labels.csv": b"path\r\n", "predictions.csv": b"path\r\n"}


def blank(width: int, height: int) -> bytes:
    return cv2.imencode(".png", np.full((height, width), 240, np.uint8))[1].tobytes()
