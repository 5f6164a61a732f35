"""Decoding into a shard, against OpenCV alone on bytes that lie in memory."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tasks.dataset.listing import list_files
from tasks.dataset.parts import decode_files
from tasks.storage import LeftOut
from tests.bench.measure import Measured, best_rate

FILES = 2048
SIZE = 150


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    files = [file for file in list_files(str(images), LeftOut()) if file.path.endswith(".jpg")][:FILES]
    contents = [np.frombuffer((images / file.path).read_bytes(), np.uint8) for file in files]

    part = str(scratch / "part.npy")

    def bare() -> None:
        for content in contents:
            picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
            if picture is not None and picture.shape[:2] != (SIZE, SIZE):
                cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)

    yield Measured(
        "decode a part: read, check, hash, measure, write (one core)",
        best_rate(lambda: decode_files(str(images), files, SIZE, part, False, {}, ""), len(files)),
        "OpenCV decode and resize alone, from memory",
        best_rate(bare, len(files)),
    )
