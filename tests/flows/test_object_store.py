"""The whole job on an object store that fails now and then: what it gives is what local disks give."""

import threading
import time
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from flows.classify import classify
from flows.retrain import retrain
from tasks import storage
from tasks.classification.classify import classify_partition
from tasks.classification.job import partitions, plan_job
from tasks.parameters import Classification, Training
from tasks.registry import versions
from tasks.registry.promotions import champion
from tests.conftest import OPEN

SMALL = Training(models=("cnn",), weights="none", image_size=32, epochs=1, batch_size=16, precision="float32")


def rows(output: str) -> pa.Table:
    names = [name for name in storage.names(output) if name.startswith("part-")]
    return pa.concat_tables(storage.read_table(storage.join(output, name)) for name in names)


@pytest.mark.slow
def test_images_store_and_output_may_lie_on_s3(sample: Path, bucket: str, prefect_api: None, tmp_path: Path):
    fsspec.filesystem("s3").put(str(sample), f"{bucket}/photos", recursive=True)
    store = f"{bucket}/store"
    run = retrain(f"{bucket}/photos", store, SMALL, OPEN)
    assert storage.read_json(storage.summary_url(run.folder_url))["dataset"]["counts"]["test"] == 13
    assert champion(store) == f"{run.name}-cnn"

    summary = classify(f"{bucket}/photos", store, f"{bucket}/out")
    assert summary["bad"] > 0
    model = versions.read_version(store, "champion")
    [here] = partitions(plan_job.fn(str(sample), str(tmp_path / "out"), model, Classification()))
    classify_partition.fn(here)
    assert rows(f"{bucket}/out").equals(rows(str(tmp_path / "out")))
    assert classify(f"{bucket}/photos", store, f"{bucket}/out") == summary


@pytest.mark.slow
def test_an_object_store_that_is_away_for_a_while_fails_no_training(
    sample: Path, bucket: str, prefect_api: None, tmp_path: Path
):
    store, epochs, seconds = f"{bucket}/store", 10, 20
    training = SMALL.model_copy(update={"epochs": epochs, "patience": epochs})

    def interrupt() -> None:
        fs = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
        while not fs.glob(f"{store}/runs/*/cnn/history.csv"):
            time.sleep(0.1)
        (tmp_path / "away").write_text("1:403")
        time.sleep(seconds)
        (tmp_path / "away").unlink()

    interruption = threading.Thread(target=interrupt)
    interruption.start()
    run = retrain(str(sample), store, training, OPEN)
    interruption.join()
    summary = storage.read_json(storage.summary_url(run.folder_url))
    assert summary["models"]["cnn"]["epochs"] == epochs
    assert summary["stages"]["train"] > seconds
