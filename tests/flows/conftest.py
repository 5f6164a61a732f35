"""One small retraining that the flow tests share."""

from pathlib import Path

import pytest

from flows.retrain import retrain
from tasks.settings import Gate, Training
from tasks.training import Run

SMALL = Training(image_size=48, epochs=2, weights="none", batch_size=16, precision="float32")
OPEN = Gate(min_accuracy=0.0, min_class_recall=0.0)


@pytest.fixture(scope="session")
def retrained(sample: Path, prefect_api: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Both models trained on the sample at 48 px; the better one is champion whatever it reached."""
    store = str(tmp_path_factory.mktemp("retrained") / "store")
    return retrain(str(sample), store, SMALL, OPEN)
