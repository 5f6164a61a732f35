"""What in a file of labels could not be used, counted and listed by kind."""

from collections.abc import Iterable

NAMED = 3  # of each kind, in one line


class Problems:
    """The entries of each kind of problem, in the order in which they were found."""

    def __init__(self) -> None:
        self.kinds: dict[str, list[str]] = {}

    def add(self, kind: str, entry: str) -> None:
        self.kinds.setdefault(kind, []).append(entry)

    def add_all(self, kind: str, entries: Iterable[str]) -> None:
        for entry in entries:
            self.add(kind, entry)

    def __str__(self) -> str:
        """Such as `2 rows without a file (a.jpg, b.jpg), 1 files without a label (c)`; `nothing` for none."""
        return ", ".join(map(self._in_words, self.kinds)) or "nothing"

    def _in_words(self, kind: str) -> str:
        entries = self.kinds[kind]
        more = ", ..." if len(entries) > NAMED else ""
        return f"{len(entries):,} {kind} ({', '.join(entries[:NAMED])}{more})"
