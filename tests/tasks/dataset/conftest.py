"""A folder of pictures as a user may have it: one folder a class, and nothing else."""

from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Two classes of 40 pictures each, no two of them alike: `sea/00.jpg` to `forest/39.jpg`."""
    random = np.random.default_rng(0)
    for label in ("sea", "forest"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(40):
            coarse = random.integers(0, 256, (12, 12, 3), np.uint8)
            picture = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(tmp_path / "images" / label / f"{number:02d}.jpg"), picture)
    return tmp_path / "images"
