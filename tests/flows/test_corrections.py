"""What people answered reaches the next retraining, its judgement and its report."""

import shutil
from pathlib import Path

import pytest

from flows.retrain import retrain
from tasks import storage
from tasks.corrections import record_answers
from tasks.storage import Run
from tests.conftest import OPEN, SMALL
from tests.tasks.dataset.test_corrections import TEST, a_picture, answer


@pytest.mark.slow
def test_champion_and_challenger_are_judged_on_the_corrected_labels_and_the_report_says_so(
    retrained: Run, sample: Path, tmp_path: Path
):
    store = str(shutil.copytree(retrained.store, tmp_path / "store"))
    before = storage.read_json(storage.summary_url(retrained.folder_url))["dataset"]
    corrected, dropped = a_picture(sample, f"{TEST}/sea"), a_picture(sample, f"{TEST}/forest")
    record_answers(store, [answer(corrected, "street"), answer(dropped, None, "drop")])

    training = SMALL.model_copy(update={"models": ("cnn",), "epochs": 1})
    run = retrain(str(sample), store, training, OPEN)
    summary = storage.read_json(storage.summary_url(run.folder_url))
    assert summary["dataset"]["corrected"] == {"train": 0, "val": 0, "test": 1}
    assert summary["dataset"]["dropped"] == {"train": 0, "val": 0, "test": 1}
    assert summary["dataset"]["decoded"] == 0
    images = {row["class"]: row["images"] for row in summary["champion"]["comparison"]["per_class"]}
    assert sum(images.values()) == before["counts"]["test"] - 1
    assert images["street"] == len(list((sample / TEST / "street").iterdir())) + 1
    assert summary["changes"]["relabelled"] == 1
    page = storage.read_bytes(storage.report_url(run.folder_url)).decode()
    card = storage.read_bytes(storage.card_url(run.version_url("cnn"))).decode()
    for text in (page, card):
        assert "1 label was corrected by people (1 test)" in text
        assert "not to be compared with these" in text
