"""What a listing leaves out, counted by kind, so that nothing is skipped without a word."""

from collections import Counter
from pathlib import PurePosixPath

NAMED = 3  # of each kind, in one line
HIDDEN = "hidden"
LITTER = "side-cars and litter of other programs"
UNREADABLE_FOLDER = "folders that cannot be read"
LISTED_ALREADY = "links to folders listed under their own name"
NAMELESS = "objects without a name"

LITTER_FOLDERS = {
    "@eadir",  # Synology
    "#recycle",
    "#snapshot",
    "@recycle",  # QNAP
    "@recently-snapshot",
    "@__thumb",
    "$recycle.bin",  # Windows
    "system volume information",
    "__macosx",  # in archives packed on a Mac
    "lost+found",
}
LITTER_FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"}
SIDE_CARS = {".json", ".xmp", ".aae", ".thm"}


class LeftOut:
    """How many entries of each kind were left out, and the first few of them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, path: str) -> None:
        self._counts[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < NAMED:
            examples.append(path)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __str__(self) -> str:
        """Such as `2 folders that cannot be read (private, lost), 1 hidden (.git)`; `nothing` for none."""
        return ", ".join(map(self._in_words, self._counts)) or "nothing"

    def _in_words(self, kind: str) -> str:
        more = ", ..." if self._counts[kind] > NAMED else ""
        return f"{self._counts[kind]:,} {kind} ({', '.join(self._examples[kind])}{more})"


def why_left_out(name: str, is_folder: bool) -> str | None:
    """The kind of entry that no listing contains, by its name; None for any other."""
    if name.startswith(".") and name not in (".", ".."):  # object stores allow these two as names
        return HIDDEN
    if name.lower() in (LITTER_FOLDERS if is_folder else LITTER_FILES):
        return LITTER
    return LITTER if not is_folder and PurePosixPath(name).suffix.lower() in SIDE_CARS else None


def is_left_out(path: str) -> bool:
    """Whether no listing contains a path of names, since one of them is hidden or litter."""
    *folders, name = path.split("/")
    return any(why_left_out(folder, True) for folder in folders) or bool(why_left_out(name, False))
