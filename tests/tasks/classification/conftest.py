"""Files that are classified."""

import os
from pathlib import Path

import pytest

from tests.tasks.classification.sorted_folders import NAMES


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(f"picture {name}".encode())
        os.utime(folder / name, (1e9, 1e9))
    return folder
