"""Pictures that show the same are found, and no others."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks.dataset import duplicates
from tasks.dataset.looks import describe_picture
from tasks.pictures import decode_image

SIZE = 96


@pytest.fixture(scope="module")
def originals(sample: Path) -> list[np.ndarray]:
    files = sorted((sample / "seg_train/seg_train").glob("*/*_[0-9]*.jpg"))
    return [decode_image(file.read_bytes(), SIZE).pixels for file in files]


def grouped(pictures: Sequence[np.ndarray]) -> list[int]:
    rows = [describe_picture(picture) for picture in pictures]
    thumbnails = np.stack([np.frombuffer(row["thumbnail"], np.uint8).reshape(16, 16) for row in rows])
    hashes = np.array([row["perceptual_hash"] for row in rows], np.uint64)
    _, pixels = np.unique([row["pixels_sha256"] for row in rows], return_inverse=True)
    return duplicates.find_copies(
        pixels, hashes, np.zeros(len(hashes), int), thumbnails.__getitem__
    ).group.tolist()


def saved_anew(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)


def resized(picture: np.ndarray) -> np.ndarray:
    half = cv2.resize(picture, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(half, (SIZE, SIZE))


def brightened(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture.astype(int) + 25, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [np.copy, saved_anew, resized, brightened])
def test_copies_are_found_and_unlike_pictures_stay_apart(originals: list[np.ndarray], change):
    count = len(originals)
    groups = grouped([*originals, *map(change, originals)])
    assert groups[:count] == list(range(count))
    assert np.mean(np.array(groups[count:]) == np.arange(count)) >= 0.97


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


def test_only_what_matches_an_image_itself_has_its_rank():
    chain = np.array([0, 0b111, 0b111111, 0b111111111, 0b111111111, 0b111111111], np.uint64)
    textured = np.random.default_rng(0).integers(0, 255, (1, 16, 16), dtype=np.uint8)
    ranks = np.array([2, 0, 0, 0, 2, 0])
    pixels = np.array([0, 1, 2, 3, 4, 3])
    copies = duplicates.find_copies(pixels, chain, ranks, lambda images: np.repeat(textured, len(images), 0))
    assert copies.group.tolist() == [0] * 6
    assert copies.exact_rank.tolist() == [2, 0, 0, 0, 2, 0]
    assert copies.near_rank.tolist() == [0, 2, 2, 2, 0, 2]
    without_repeats = duplicates.find_copies(
        pixels[:4], chain[:4], ranks[:4], lambda images: np.repeat(textured, len(images), 0)
    )
    assert without_repeats.near_rank.tolist() == [0, 2, 2, 0]
    nothing = np.zeros(0, np.int64)
    assert not len(duplicates.find_copies(nothing, nothing.astype(np.uint64), nothing, np.zeros).group)
