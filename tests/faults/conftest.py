"""A classification that tests disturb."""

import os
from pathlib import Path

import pytest

from tests.untrained import untrained_store

FILES = 1_500  # six parts


@pytest.fixture(scope="session")
def classification(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command, but for its output: an untrained network on links to the sample's unlabelled files."""
    inbox = tmp_path_factory.mktemp("inbox")
    files = sorted((sample / "seg_pred/seg_pred").iterdir())
    for number in range(FILES):
        os.link(files[number % len(files)], inbox / f"{number:05d}.jpg")
    store = untrained_store(tmp_path_factory.mktemp("untrained"), "cnn", size_px=32)
    return ["classify", "--images", str(inbox), "--store", store]
