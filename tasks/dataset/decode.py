"""Reads the files that are to be decoded."""

from collections.abc import Iterator, Sequence

from tasks.pictures import MAX_BYTES, UNREADABLE, ImageError, too_many_bytes
from tasks.storage import FileEntry, read_ahead


def read_images(
    images_url: str, files: Sequence[FileEntry], store: str | None = None
) -> Iterator[bytes | ImageError]:
    """Yield the bytes of each file, in order, or an ImageError; files over MAX_BYTES are not read.

    store: of the dataset whose files they are, since it keeps some of them itself (see `storage.file_url`).
    """
    contents = read_ahead(images_url, [file for file in files if file.bytes <= MAX_BYTES], store, MAX_BYTES)
    for file in files:
        content = too_many_bytes(file.bytes) if file.bytes > MAX_BYTES else next(contents)
        yield ImageError(UNREADABLE, str(content)) if isinstance(content, OSError) else content
