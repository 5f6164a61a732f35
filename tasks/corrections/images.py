"""Copies of images that people labelled in an inbox: they join training, and the inbox may be emptied."""

from collections.abc import Mapping

from tasks import storage
from tasks.corrections.answers import Answer
from tasks.errors import InputError, JobError
from tasks.pictures import MAX_BYTES, ImageError, format_of

GONE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)  # not: storage is away
ENDINGS = {"JPEG": "jpg"}


def keep_image(store: str, url: str, sha256: str) -> str:
    """Copy an image of an inbox into the store, unless it is there. Returns the copy's URL.

    Raises JobError where the file holds other bytes than those of the hash `sha256`, which the answer is
    about, and InputError where it cannot be read or is no picture. The copy's name ends as its format does,
    whatever the file is called.
    """
    try:
        data = storage.read_bytes(url, MAX_BYTES)
    except GONE as error:
        raise InputError(f"What is labelled must be a file that can be read. Received: {error}.") from error
    if storage.sha256(data) != sha256:
        raise JobError(
            f"An image must still be the file that was asked about. Received other bytes in {url!r}: "
            "classify the folder again, then answer."
        )
    try:
        format = format_of(data)
    except ImageError as error:
        raise InputError(f"What is labelled must be a picture. Received {url!r}: {error.reason}.") from error
    copy_url = storage.join(storage.kept_images_url(store), f"{sha256}.{ENDINGS.get(format, format.lower())}")
    if not storage.exists(copy_url):
        storage.write_bytes(copy_url, data)
    return copy_url


def labelled_images(store: str, corrections: Mapping[str, Answer]) -> dict[str, Answer]:
    """The names of kept images that have a label now, each with the answer that gave it."""
    names = storage.names(storage.kept_images_url(store))
    answers = {name: corrections.get(name.partition(".")[0]) for name in names}
    return {name: answer for name, answer in answers.items() if answer and answer.decision == "label"}
