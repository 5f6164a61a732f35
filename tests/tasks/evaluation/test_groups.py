"""Where a model fails is told by the groups that a user named, and when."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from tasks.evaluation.groups import SPANS, WORST, spans_of_time, worst_groups


def test_the_worst_ten_groups_come_first_with_their_intervals_and_few_images_do_not_pass_for_bad_ones():
    scenes: list[str | None] = [f"site{site:02d}" for site in range(12) for _ in range(20)]
    right = np.array([number >= site for site in range(12) for number in range(20)])
    scenes += ["one", None]
    right = np.append(right, [False, False])
    rows = worst_groups(scenes, right)
    sites = [row["name"] for row in rows if row["name"] != "one"]
    assert sites == [f"site{site:02d}" for site in range(11, 12 - WORST, -1)]
    assert len(rows) == WORST
    assert (rows[0]["images"], rows[0]["accuracy"]) == (20, 9 / 20)
    assert all(row["low"] <= row["accuracy"] < row["high"] for row in rows)


@pytest.mark.parametrize(("days", "each", "spans"), [(2, 50, 2), (9, 30, 9), (2_000, 3, SPANS), (30, 2, 3)])
def test_accuracy_over_time_is_told_in_at_most_twelve_spans_of_whole_days_and_about_as_many_images(
    days: int, each: int, spans: int
):
    taken = [str(date(2020, 1, 1) + timedelta(day)) for day in range(days)]
    times: list[str | None] = [f"{day}T{hour:02d}:00:00+02:00" for hour in range(each) for day in taken]
    right = np.array([day < days / 2 for _ in range(each) for day in range(days)])
    rows = spans_of_time([*times, None], np.append(right, False))
    assert len(rows) == spans
    assert sum(row["images"] for row in rows) == days * each
    assert max(row["images"] for row in rows) <= 1.5 * min(row["images"] for row in rows)
    assert (rows[0]["first"], rows[-1]["last"]) == (taken[0], taken[-1])
    assert all(before["last"] < after["first"] for before, after in pairwise(rows))
    assert (rows[0]["accuracy"], rows[-1]["accuracy"]) == (1, 0)
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in rows)


def test_where_no_times_are_known_or_all_are_of_one_day_nothing_is_said_over_time():
    assert spans_of_time([None] * 40, np.ones(40, bool)) == []
    assert spans_of_time(["2026-01-01T10:00:00", "2026-01-01T11:00:00"] * 20, np.ones(40, bool)) == []
