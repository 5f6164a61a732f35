"""How right models are expected and measured to be on the folders they classify, night by night."""

from pathlib import Path
from typing import Any

from tasks import storage
from tasks.corrections import record_answers
from tasks.publishing import note_classification
from tasks.publishing.history import read_classifications
from tasks.publishing.outputs import accuracies_on_folders
from tests.tasks.evaluation.test_measured import answer
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL, Page


def classified(folder: Path, images: int, **other: Any) -> dict[str, Any]:
    rows = [records.prediction(f"{number}.jpg", "sea", 0.9) for number in range(images)]
    summary, _ = records.classification(folder, rows)
    return summary | {"model": "v1-cnn"} | other


def test_what_was_measured_stands_beside_what_was_expected_on_the_page_over_all_runs(
    store: str, tmp_path: Path
):
    nights = ["2098-11-22", "2098-11-23", "2098-11-23"]  # the third is the second again
    for images, night in zip((100, 150, 150), nights, strict=True):
        note_classification(store, classified(tmp_path, images, finished=f"{night}T05:00:00+00:00"))
    assert len(read_classifications(store)) == 2
    [unmeasured] = accuracies_on_folders(store, read_classifications(store))
    assert (unmeasured["expected"]["images"], unmeasured["measured"]) == (150, None)
    assert unmeasured["expected"]["since"] < unmeasured["expected"]["at"]

    record_answers(store, [answer(number, "sea" if number % 5 else "sky") for number in range(50)])
    record_answers(store, [answer(59, "sea", run="v0-cnn")])
    note_classification(
        store, classified(tmp_path, 150, model="v2-cnn", finished="2098-11-24T05:00:00+00:00")
    )
    rows = accuracies_on_folders(store, read_classifications(store))
    assert [row["model"] for row in rows] == ["v2-cnn", "v1-cnn", "v0-cnn"]
    page = Page(storage.read_bytes(storage.overview_url(store)).decode())
    assert "89.0 %" in page.text
    assert "80.0 % 67.0 % to 88.8 %50 images drawn at random" in " ".join(page.text.split())
    assert EVIL in page.text
    assert not page.tags["img"]


def test_nothing_is_noted_of_a_version_of_which_nothing_can_be_expected(store: str, tmp_path: Path):
    rows = [records.prediction("sea.jpg", "sea", 0.9)]
    note_classification(store, records.classification(tmp_path, rows, yardstick=False)[0])
    assert accuracies_on_folders(store, read_classifications(store)) == []
