"""Features of every image by a pretrained network: computed part by part on Ray, kept beside the dataset."""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from tasks import storage
from tasks.dataset import Dataset, pixels_of_parts, places_of_parts, resize_all
from tasks.errors import InputError, JobError
from tasks.networks import OnnxClassifier, read_model_file
from tasks.task_runs import RETRIES, task

SIDE_PX = 96  # finds as many planted label errors as 150, 2.5 times as fast
AT_ONCE = 256  # images that are held enlarged or shrunk
SIGNATURES = {".h5": b"\x89HDF\r\n\x1a\n", ".keras": b"PK\x03\x04"}  # HDF5, ZIP
VERSION = 1  # raise when the network or what is fed to it changes

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Base:
    """MobileNetV2 without its head, as ONNX: its URL and the key of its weights; or why it is missing."""

    url: str = ""
    key: str = ""
    missing: str = ""


@dataclass(frozen=True)
class FeaturePart:
    """One part of a dataset whose features are to be computed: URLs of its pixels and of its features."""

    base: Base
    pixels: str
    url: str


@dataclass(frozen=True)
class EmbeddedPart:
    """Counts of a part whose features are computed; `bad` is 0, since decoding has counted bad files."""

    images: int
    bad: int = 0


def locate_weights(weights: str) -> str:
    """Weights with their path made absolute, since workers run in other folders.

    Raises InputError when they are a file that is not there, or not of its format: a page of a web server
    that was saved in its place, say.
    """
    if weights in ("imagenet", "none"):
        return weights
    located = storage.absolute(weights)
    suffix = next((suffix for suffix in SIGNATURES if located.endswith(suffix)), None)
    if suffix is None or not storage.exists(located):
        raise InputError(
            "`weights` must be imagenet, none or the path of an existing .h5 or .keras file. "
            f"Received: {weights!r}."
        )
    start = read_start(located, len(SIGNATURES[suffix]))
    if start != SIGNATURES[suffix]:
        raise InputError(
            f"`weights` must be a file that Keras wrote. Received {weights!r}, which begins with {start!r} "
            f"and not as {suffix} files do: download it again."
        )
    return located


def read_start(url: str, count: int) -> bytes:
    """The first bytes of a file of weights; InputError when it cannot be read."""
    fs, path = storage.filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            return bytes(file.read(count))
    except Exception as error:  # drivers of object stores raise errors of their own
        raise InputError(
            f"`weights` must be a file that can be read. Received: {url!r} ({error})."
        ) from error


@task(task_run_name="fetch weights")
def fetch_base(dataset_url: str, size_px: int, weights: str, needed: bool) -> Base:
    """Load the weights that MobileNetV2 trains from and export it, unless this store holds it already.

    size_px: of the images that a model may be trained on. needed: whether one is; missing weights fail the
    run then, before anything is trained. Else only what is told by features is left out, as it is where the
    network cannot be exported.
    """
    if weights == "none":
        return Base(missing="they need pretrained weights, and weights are none")
    # Which file Keras takes depends on the size of the images.
    content = [weights, size_px] if weights == "imagenet" else storage.sha256(storage.read_bytes(weights))
    key = _digest([VERSION, SIDE_PX, content])
    base = Base(storage.network_url(storage.store_of(dataset_url), key), key)
    there = storage.exists(base.url)
    if there and not needed:
        return base
    from tasks.networks import architectures

    try:
        network = architectures.load_base(size_px, weights)
    except JobError as error:
        if needed:
            raise
        log.warning("%s", error)
        return Base(missing=f"MobileNetV2's weights could not be loaded from {weights} (see --weights)")
    return base if there else _exported(network, base)


def _exported(network: Any, base: Base) -> Base:
    from tasks.networks import architectures, convert

    try:
        resized = architectures.resize_base(network, SIDE_PX)
        extractor = architectures.build_feature_extractor(resized, SIDE_PX)
        storage.write_bytes(base.url, convert.onnx_bytes(extractor))
    except JobError:  # of the disk
        raise
    except Exception as error:  # converters raise whatever they like; only the check of labels needs it
        log.warning("MobileNetV2 could not be exported to ONNX: %s", error)
        return Base(missing="MobileNetV2 could not be exported to ONNX here")
    return base


def plan_features(dataset: Dataset, base: Base) -> list[FeaturePart]:
    """The parts of a dataset whose features no dataset of the store holds yet."""
    if base.missing:
        return []
    urls = feature_urls(dataset, base)
    names_in = cache(lambda dataset_url: storage.names(storage.features_url(dataset_url)))
    missing = [part for part, url in urls.items() if storage.name_of(url) not in names_in(dataset.url)]
    places = places_of_parts(dataset.url, dataset.images_url) if missing else {}
    return [
        FeaturePart(base, storage.pixels_url(dataset.url, part), urls[part])
        for part in missing
        if not any(take_over(urls[part], place.dataset_url, names_in) for place in places.get(part, ()))
    ]


def take_over(url: str, dataset_url: str, names_in: Callable[[str], Collection[str]]) -> bool:
    """Whether features were copied from another dataset. names_in: gives the names of those it holds.

    False also where it vanishes meanwhile: `clean` may remove it.
    """
    name = storage.name_of(url)
    with suppress(FileNotFoundError):
        if name in names_in(dataset_url):
            storage.copy(storage.features_url(dataset_url, name), url)
            return True
    return False


def feature_urls(dataset: Dataset, base: Base) -> dict[int, str]:
    """URLs of the features of each part; names are digests of the part's pixels and of the network."""
    index = storage.read_table(storage.index_url(dataset.url), ["part", "row", "pixels_sha256"])
    return {
        part: storage.features_url(dataset.url, f"{_digest([base.key, dataset.size_px, *pixels])}.npy")
        for part, pixels in enumerate(pixels_of_parts(index))
    }


@task(**RETRIES, task_run_name="look at a part")
def embed_part(part: FeaturePart) -> EmbeddedPart:
    """Commit the features of one part, float16 [files, features]; bad files have those of a black picture."""
    pixels = np.load(storage.local_copy(part.pixels), mmap_mode="r")
    network = OnnxClassifier(read_model_file(part.base.url))
    with storage.committing(part.url) as path:
        out = storage.new_array(path, np.float16, (len(pixels), network.width))
        for start in range(0, len(pixels), AT_ONCE):
            images = resize_all(pixels[start : start + AT_ONCE], SIDE_PX)
            out[start : start + len(images)] = network.predict(images)
        out.flush()
    return EmbeddedPart(len(pixels))


class Features:
    """Features of the images of a dataset, memory-mapped.

    part, row: where each image stands, int [images].
    """

    def __init__(self, dataset: Dataset, base: Base, part: np.ndarray, row: np.ndarray):
        self._urls = feature_urls(dataset, base)
        self._part, self._row = part, row

    @cached_property
    def _parts(self) -> dict[int, np.ndarray]:
        return {part: np.load(storage.local_copy(url), mmap_mode="r") for part, url in self._urls.items()}

    def take(self, images: np.ndarray) -> np.ndarray:
        """Features of some images, float32 [len(images), features]."""
        width = next(iter(self._parts.values())).shape[1]
        out = np.empty((len(images), width), np.float32)
        for part in np.unique(self._part[images]):
            wanted = np.flatnonzero(self._part[images] == part)
            out[wanted] = self._parts[int(part)][self._row[images[wanted]]]
        return out


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
