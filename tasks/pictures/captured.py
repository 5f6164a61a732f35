"""When a photograph was taken, by the EXIF of its file. Source: CIPA DC-008 (EXIF), 4.6.5."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from tasks.pictures import heif, jpeg, kinds, png, webp
from tasks.pictures.ifd import Entry, read_directory
from tasks.pictures.orientation import EXIF_START
from tasks.pictures.outcome import ImageError

EXIF_OF: dict[str, Callable[[bytes], bytes]] = {
    kinds.JPEG: jpeg.exif_in,
    kinds.PNG: png.exif_in,
    kinds.WEBP: webp.exif_in,
    kinds.TIFF: lambda data: data,
    kinds.AVIF: heif.exif_in,
    kinds.HEIC: heif.exif_in,
}
EXIF_DIRECTORY, TAKEN, OFFSET = 0x8769, 0x9003, 0x9011


def captured_at(data: bytes) -> str | None:
    """ISO text, with the offset from UTC where the camera stated it; None where the file does not say.

    EXIF may be junk: the picture is sound for all that, and nothing is known of its time.
    """
    with suppress(ImageError, ValueError, OverflowError):
        tags = _photograph_tags(data)
        date, _, time = _text(tags.get(TAKEN)).partition(" ")
        offset = _text(tags.get(OFFSET))
        if date:
            zone = offset if re.fullmatch(r"[+-]\d\d:\d\d", offset) else ""
            return datetime.fromisoformat(f"{date.replace(':', '-')}T{time}{zone}").isoformat()
    return None


def _photograph_tags(data: bytes) -> dict[int, Entry]:
    kind = kinds.format_of(data)
    exif = EXIF_OF[kind](data).removeprefix(EXIF_START) if kind in EXIF_OF else b""
    pointer = read_directory(exif).get(EXIF_DIRECTORY) if exif else None
    return read_directory(exif, pointer.numbers[0]) if pointer and pointer.numbers else {}


def _text(entry: Entry | None) -> str:
    return entry.content.split(b"\0")[0].decode("ascii", "replace").strip() if entry else ""
