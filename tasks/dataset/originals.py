"""The images of a split at another size or fit than those of its dataset: decoded anew from their files."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset.decode import read_images
from tasks.dataset.reader import Split
from tasks.errors import JobError
from tasks.parameters import Fit
from tasks.pictures import ImageError, decode_image
from tasks.storage import FileEntry


class SplitOfFiles(Split):
    """Like `Split`, for any size and fit; images_url is the folder that the dataset was listed in.

    `take` raises JobError where a file cannot be read any more, or is another than was indexed.
    """

    def __init__(
        self, dataset_url: str, images_url: str, classes: Sequence[str], size_px: int, fit: Fit, *splits: str
    ):
        super().__init__(dataset_url, classes, size_px, *splits)
        bytes_of = column_by_path(storage.manifest_url(dataset_url), "bytes")
        self._images_url, self._fit = images_url, fit
        self._files = [FileEntry(path, bytes_of[path], "") for path in self.paths]
        self._sha256 = column_by_path(storage.index_url(dataset_url), "sha256")

    def take(self, indices: np.ndarray) -> np.ndarray:
        files = [self._files[index] for index in indices]
        out = np.empty((len(files), self._size_px, self._size_px, 3), np.uint8)
        contents = read_images(self._images_url, files, storage.store_of(self._dataset_url))
        for place, (file, content) in enumerate(zip(files, contents, strict=True)):
            out[place] = self._decode(file.path, content)
        return out

    def _decode(self, path: str, content: bytes | ImageError) -> np.ndarray:
        try:
            if isinstance(content, ImageError):
                raise content
            if hashlib.sha256(content).hexdigest() != self._sha256[path]:
                raise ImageError("changed", "it holds other bytes")
            return decode_image(content, self._size_px, fit=self._fit).pixels
        except ImageError as error:
            raise JobError(
                f"The images must still be the files that dataset {storage.name_of(self._dataset_url)} was "
                f"made of. Received another state of {path!r}: {error.reason}."
            ) from error


def column_by_path(url: str, name: str) -> dict[str, Any]:
    """A column of a manifest or an index, by the paths of the files."""
    table = storage.read_table(url, ["path", name])
    return dict(zip(table["path"].to_pylist(), table[name].to_pylist(), strict=True))
