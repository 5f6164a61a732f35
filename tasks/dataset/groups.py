"""Groups of images that a user wants whole in one split: by a pattern over the path, or by day."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from tasks.dataset.folders import LabelledFile
from tasks.errors import InputError

DAY = "day"
LEAST_GROUPS = 3  # of a pattern that is proposed: one for each split
NUMBERED = re.compile(r"(.*?[^\d])\d+")  # a name and a number: site12


def group_by_pattern(rows: Sequence[LabelledFile], pattern: str) -> list[LabelledFile]:
    """Each file with the group that a regular expression finds in its path; None where it finds nothing.

    Raises InputError for a pattern that is none, or that no path has.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(
            "`group_by` must be a column of the file of labels, `day` or a regular expression such as "
            rf"`(site\d+)/`. Received {pattern!r}: {error}."
        ) from error
    groups = [group_in(row.file.path, expression) for row in rows]
    if not any(groups):
        example = rows[0].file.path if rows else ""
        raise InputError(
            "`group_by` must be a column of the file of labels, `day` or a regular expression that paths "
            f"have. Received {pattern!r}, which none of {len(rows):,} has, such as {example!r}."
        )
    return [replace(row, group=group) for row, group in zip(rows, groups, strict=True)]


def group_in(path: str, expression: re.Pattern[str]) -> str | None:
    """What the groups of a regular expression match in a path, or all of it; None where it does not match."""
    match = expression.search(path)
    return "/".join(text or "" for text in match.groups()) or match[0] if match else None


def file_time(mark: str) -> str | None:
    """When a file was changed, ISO text in UTC, by its mark (see FileEntry); None where that is an etag."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(float(mark), UTC).replace(tzinfo=None).isoformat()
    with suppress(ValueError):
        time = datetime.fromisoformat(mark)
        return (time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time).isoformat()
    return None


def propose_groups(paths: Sequence[str], labels: Sequence[str]) -> str:
    r"""A pattern for `group_by` that fits the folders at hand, such as `(site\d+)/`; `day` where none does.

    It finds a group in nearly every path, three or more of them, and hardly any of one image.
    """
    for pattern in dict.fromkeys(_patterns(paths, set(labels))):
        expression = re.compile(pattern)
        groups = Counter(group_in(path, expression) for path in paths)
        missed = groups.pop(None, 0)
        if missed <= len(paths) / 20 and LEAST_GROUPS <= len(groups) <= len(paths) / 3:
            return pattern
    return DAY


def _patterns(paths: Iterable[str], labels: set[str]) -> Iterator[str]:
    """What may tell places or days: folders of numbers within the classes, then how names of files begin."""
    inner = [name for path in paths for name in path.split("/")[:-1] if name not in labels]
    stems = Counter(match[1] for name in inner if (match := NUMBERED.fullmatch(name)))
    yield from (rf"({re.escape(stem)}\d+)/" for stem, _ in stems.most_common(3))
    yield r"/([^/]*\d[^/]*)/[^/]+$"
    yield r"(\d{4}-?\d{2}-?\d{2})[^/]*$"
    names = Counter(match[1] for path in paths if (match := NUMBERED.match(path.rpartition("/")[2])))
    yield from (rf"({re.escape(stem)}\d+)[_-][^/]*$" for stem, _ in names.most_common(3))
    yield r"/([^/_-]+)[_-][^/]*$"
