"""`clean` while others are at work on the store."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import run as run_command
from flows.explore import explore
from flows.retrain import retrain
from tasks import storage
from tasks.dataset import commit_dataset, decode_part, list_images, plan_parts
from tasks.parameters import Training
from tests.conftest import OPEN, SMALL


class Interruption(Exception):
    """Ends a flow where the test has seen enough."""


def clean(store: str) -> None:
    assert run_command(["clean", "--store", store, "--keep-runs", "1", "--no-dry-run"]) == 0


def old_dataset(images: Path, store: str, size_px: int) -> str:
    """A dataset that the flow will find decoded three days ago. Returns its URL."""
    manifest = list_images.fn(str(images), store, size_px, Training().val_share)
    commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)
    long_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(storage.success_url(manifest.dataset_url), (long_ago, long_ago))
    return manifest.dataset_url


def test_clean_removes_no_dataset_under_an_exploration_nor_after_it(
    sample: Path, store: str, one_ray: None, monkeypatch
):
    dataset_url = old_dataset(sample, store, Training().image_size)
    publish = explore.fn.__globals__["publish_exploration"]

    def clean_and_publish(*arguments: Any) -> str:
        clean(store)
        return publish(*arguments)

    monkeypatch.setattr("flows.explore.publish_exploration", clean_and_publish)
    assert storage.exists(explore(str(sample), store, "none"))
    clean(store)
    assert storage.exists(storage.success_url(dataset_url))


def test_clean_removes_no_dataset_under_a_retraining(sample: Path, store: str, one_ray: None, monkeypatch):
    dataset_url = old_dataset(sample, store, SMALL.image_size)

    def clean_and_stop(dataset: Any) -> None:
        clean(store)
        raise Interruption

    monkeypatch.setattr("flows.examine.check_splits", clean_and_stop)
    with pytest.raises(Interruption):
        retrain(str(sample), store, SMALL, OPEN)
    assert storage.exists(storage.success_url(dataset_url))
