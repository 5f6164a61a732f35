"""Pictures that show the same are found, and no others."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks import duplicates
from tasks.images import decode
from tasks.shards import look_at

SIZE = 96


@pytest.fixture(scope="module")
def originals(sample: Path) -> list[np.ndarray]:
    files = sorted((sample / "seg_train/seg_train").glob("*/*_[0-9]*.jpg"))
    return [decode(file.read_bytes(), SIZE).pixels for file in files]


def grouped(pictures: Sequence[np.ndarray]) -> list[int]:
    seen = [look_at(picture) for picture in pictures]
    thumbnails = np.stack([np.frombuffer(row["thumbnail"], np.uint8).reshape(16, 16) for row in seen])
    hashes = np.array([row["perceptual_hash"] for row in seen], np.uint64)
    _, pixels = np.unique([row["pixels_sha256"] for row in seen], return_inverse=True)
    return duplicates.groups(pixels, hashes, thumbnails.__getitem__).tolist()


def saved_anew(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)


def resized(picture: np.ndarray) -> np.ndarray:
    half = cv2.resize(picture, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(half, (SIZE, SIZE))


def brightened(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture.astype(int) + 25, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("changed", [np.copy, saved_anew, resized, brightened])
def test_copies_are_found_and_unlike_pictures_stay_apart(originals: list[np.ndarray], changed):
    count = len(originals)
    found = grouped([*originals, *map(changed, originals)])
    assert found[:count] == list(range(count))
    assert np.mean(np.array(found[count:]) == np.arange(count)) >= 0.97


def test_pictures_without_detail_are_the_same_only_if_their_pixels_are():
    flat = [np.full((SIZE, SIZE, 3), grey, np.uint8) for grey in (0, 1, 128, 0)]
    assert grouped(flat) == [0, 1, 2, 0]


def test_no_pair_of_near_hashes_is_missed():
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 300, dtype=np.uint64)
    bits = np.uint64(1) << random.integers(0, 64, (300, 8)).astype(np.uint64)
    hashes = np.unique(np.concatenate([hashes, hashes ^ np.bitwise_xor.reduce(bits, axis=1)]))
    distances = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = np.argwhere(np.triu(distances <= duplicates.MAX_DISTANCE, k=1))
    assert len(expected) > 10
    assert np.array_equal(duplicates.near_pairs(hashes), expected)
