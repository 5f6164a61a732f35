"""The champion's accuracy over time, as points and dates for the home page of a store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tasks.pages.words import Record

CHART = (640, 96)  # width and height, in pixels
LEAST_SPAN = 0.02  # of accuracy; a smaller one does not fill the height


def chart(line: Sequence[Record]) -> dict[str, Any]:
    """`points` with their `x` and `y` in a frame of CHART pixels, later ones right and better ones higher.

    Also the `dates` at the left end, in the middle and at the right end (ISO times; none where a point has no
    time, whose points are evenly spaced), and the accuracies at the `bottom` and `top`.
    """
    width, height = CHART
    accuracies = [point["accuracy"] for point in line] or [0.0]
    middle, span = (max(accuracies) + min(accuracies)) / 2, max(max(accuracies) - min(accuracies), LEAST_SPAN)
    places, dates = _places([point["at"] for point in line])
    points = [
        {
            **point,
            "x": f"{place * width:.1f}",
            "y": f"{height * (0.5 - (point['accuracy'] - middle) / span):.1f}",
        }
        for place, point in zip(places, line, strict=True)
    ]
    return {"points": points, "dates": dates, "bottom": middle - span / 2, "top": middle + span / 2}


def _places(times: Sequence[str]) -> tuple[list[float], list[str]]:
    """Where each time lies between the first and the last, from 0 to 1, and three dates of the axis."""
    evenly = [number / max(len(times) - 1, 1) for number in range(len(times))]
    if not all(times) or len(set(times)) < 2:
        return evenly, []
    moments = [datetime.fromisoformat(time) for time in times]
    start, length = moments[0], (moments[-1] - moments[0]).total_seconds()
    places = [(moment - start).total_seconds() / length for moment in moments]
    return places, [(start + share * (moments[-1] - start)).isoformat() for share in (0, 0.5, 1)]
