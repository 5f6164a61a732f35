"""Photographs in reports are small, and evidence shows where it lies."""

import cv2
import numpy as np

from tasks.pages.photos import PHOTO_PX, overlay_evidence, photo, photo_in_proportion


def test_evidence_warms_the_place_it_lies_at_and_nothing_else():
    image, evidence = np.full((40, 40, 3), 90, np.uint8), np.zeros((4, 4), np.float16)
    assert np.ptp(overlay_evidence(image, evidence)) == 0
    evidence[0, 0] = 1
    seen = overlay_evidence(image, evidence).astype(int)
    warmth = seen[..., 0] - seen[..., 2]
    assert max(np.unravel_index(warmth.argmax(), warmth.shape)) < 10
    assert warmth[20:, 20:].max() == 0


def test_a_large_photograph_has_the_proportions_of_its_file_and_no_more_pixels():
    square = np.zeros((100, 100, 3), np.uint8)
    shapes = [
        cv2.imdecode(np.frombuffer(photo_in_proportion(square, *size), np.uint8), 1).shape
        for size in ((400, 200), (30, 60))
    ]
    assert shapes == [(50, 100, 3), (60, 30, 3)]


def test_a_photograph_keeps_its_colours():
    image = np.zeros((300, 300, 3), np.uint8)
    image[..., 0] = 200
    seen = cv2.imdecode(np.frombuffer(photo(image), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert seen.shape == (PHOTO_PX, PHOTO_PX, 3)
    assert np.abs(seen.mean((0, 1)) - [200, 0, 0]).max() < 8
