"""Where a model fails is told by the groups that a user named."""

import numpy as np

from tasks.evaluation.groups import WORST, worst_groups


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
