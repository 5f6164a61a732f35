"""Which dataset a listed folder becomes: a committed one never changes, so another try makes another one."""

import logging
import re
from collections.abc import Sequence

from tasks import storage
from tasks.dataset.catalogue import success_of
from tasks.dataset.decode import read_images
from tasks.pictures import UNREADABLE
from tasks.storage import FileEntry

log = logging.getLogger("darkroom")


def choose_dataset(
    store: str, images_url: str, files: Sequence[FileEntry], fingerprint: str, dataset_begun: str | None
) -> str:
    """The name of the dataset of a listed folder: its fingerprint, or `<fingerprint>-2` and so on.

    Another number is begun where a file could not be read when the latest dataset was made, and now can. As
    long as none can, that dataset stays the latest. dataset_begun: that which a run has begun to train on:
    it keeps it.
    """
    if dataset_begun and _attempt(dataset_begun, fingerprint):
        return dataset_begun
    names = storage.names(storage.datasets_url(store))
    latest = max([1, *(_attempt(name, fingerprint) for name in names)])
    unreadable = unreadable_files(storage.dataset_url(store, _name(fingerprint, latest)))
    contents = read_images(images_url, [file for file in files if file.path in unreadable], store)
    if not any(isinstance(content, bytes) for content in contents):
        return _name(fingerprint, latest)
    log.info(
        "Dataset %s has %s files that could not be read, of which some can be now: %s is made",
        _name(fingerprint, latest),
        f"{len(unreadable):,}",
        _name(fingerprint, latest + 1),
    )
    return _name(fingerprint, latest + 1)


def unreadable_files(dataset_url: str) -> dict[str, str]:
    """Path and reason of each file that could not be read when a dataset was made; none before that."""
    success = success_of(dataset_url)
    if success and not success.get("unreadable"):
        return {}
    index = storage.table_unless_broken(storage.index_url(dataset_url), ["path", "status", "reason"])
    rows = index.to_pylist() if index else []
    return {row["path"]: row["reason"] for row in rows if row["status"] == UNREADABLE}


def _name(fingerprint: str, attempt: int) -> str:
    return fingerprint if attempt == 1 else f"{fingerprint}-{attempt}"


def _attempt(name: str, fingerprint: str) -> int:
    """Which attempt at a fingerprint's dataset a name is of; 0 for names of other datasets."""
    match = re.fullmatch(rf"{fingerprint}(?:-(\d+))?", name)
    return int(match[1] or 1) if match else 0
