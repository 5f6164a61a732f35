"""The verdict on a dataset says what is wrong with it, and how bad that is."""

import pytest

from tasks.audit.verdict import soundness

CLEAN = {"files": 100, "bad": 0, "leaked": 0, "leaked_near": 0, "leaking": 0, "conflicts": 0}
SPLITS = {"train": {"a": 40, "b": 40}, "test": {"a": 10, "b": 10}}
EVEN = {"smallest": "a", "smallest_images": 50, "largest": "a", "largest_images": 50, "ratio": 1.0}
LABELS = {"checked": 100, "suspected": 0, "skipped": ""}
AUDIT = {"splits": SPLITS, "balance": EVEN, "labels": LABELS, "statuses": {"ok": 94, "corrupt": 6}}


@pytest.mark.parametrize(
    ("counts", "more", "grade", "point"),
    [
        ({}, {}, "sound", ""),
        ({"leaked": 12}, {}, "but", "12 training or validation images are copies of images that judge them"),
        ({"leaked": 9, "leaked_near": 8}, {}, "but", "9 training or validation images are copies"),
        ({"leaked": 10, "leaked_near": 10}, {}, "not", "--leakage report"),
        ({"leaking": 1}, {}, "not", "1 training or validation image is a copy"),
        ({"conflicts": 4}, {}, "but", "4 pictures are there twice under different labels"),
        ({"bad": 2}, {"statuses": {"ok": 98, "corrupt": 2}}, "but", "2 files cannot be used (2 corrupt)"),
        ({"bad": 6}, {}, "not", "6 files cannot be used"),
        ({}, {"labels": LABELS | {"suspected": 3}}, "but", "3 labels are likely wrong (3.0 %)"),
        ({}, {"labels": LABELS | {"suspected": 6}}, "not", "6 labels are likely wrong"),
        (
            {},
            {"labels": LABELS | {"checked": 0, "skipped": "no weights"}},
            "but",
            "Labels were not checked: no weights.",
        ),
        ({}, {"splits": SPLITS | {"val": {"a": 0, "b": 3}}}, "not", "No val images of a."),
        (
            {},
            {
                "balance": {
                    "ratio": 4.0,
                    "largest": "a",
                    "largest_images": 80,
                    "smallest": "b",
                    "smallest_images": 20,
                }
            },
            "but",
            "Uneven classes: 80 images of a, 20 of b.",
        ),
    ],
)
def test_the_verdict_says_what_is_wrong(counts: dict, more: dict, grade: str, point: str):
    verdict = soundness(AUDIT | {"counts": CLEAN | counts} | more)
    assert verdict.grade == grade
    assert point in " ".join(verdict.points)
    assert bool(verdict.points) == bool(point)
