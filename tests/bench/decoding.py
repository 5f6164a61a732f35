"""Decoding into shards, against the loops and pipelines that one would write oneself."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import ray
from PIL import Image

from flows.runtime import ray_options
from tasks.dataset.listing import list_files
from tasks.dataset.parts import decode_files
from tasks.storage import FileEntry, LeftOut
from tests.bench.measure import CORES, SIZE, Measured, alternate, rate_of

FILES = 2048
A_TASK = 128  # files

ONE_CORE = "decode a part: read, check, hash, measure, write (one core)"
BARE = "OpenCV decode and resize alone, from memory"
LOOP = "a loop of cv2.imread and cv2.resize"
ALL_CORES = "decode parts, on all cores"
TF_DATA, PILLOW = "tf.data: decode_jpeg, resize", "a pool, Pillow"
RAY_DATA, READ_IMAGES = "Ray Data map_batches, OpenCV", "Ray Data read_images"


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    files = [file for file in list_files(str(images), LeftOut()) if file.path.endswith(".jpg")][:FILES]
    paths = [str(images / file.path) for file in files]
    contents = [np.frombuffer(Path(path).read_bytes(), np.uint8) for path in paths]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    alone = alternate(
        {
            ONE_CORE: lambda: rate_of(lambda: decode_part(images, files, scratch / "part.npy"), len(files)),
            LOOP: lambda: rate_of(lambda: [resized(cv2.imread(path)) for path in paths], len(files)),
            BARE: lambda: rate_of(lambda: [resized(cv2.imdecode(each, 1)) for each in contents], len(files)),
        }
    )
    cv2.setNumThreads(threads)
    yield Measured.of(ONE_CORE, BARE, alone)
    yield Measured.of(ONE_CORE, LOOP, alone)
    ray.init(address="local", include_dashboard=False, **ray_options())
    ray.data.DataContext.get_current().enable_progress_bars = False
    with ProcessPoolExecutor(CORES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(decode_with_pillow, [paths[:A_TASK]] * CORES))  # they have imported what they need
        list(pool.map(decode_part, *arguments(images, files[: CORES * A_TASK], scratch)))
        for dataset in (binary_dataset, image_dataset):
            use_up(dataset(paths[:A_TASK]))
        together = alternate(
            {
                ALL_CORES: lambda: rate_of(
                    lambda: list(pool.map(decode_part, *arguments(images, files, scratch))), len(files)
                ),
                TF_DATA: lambda: rate_of(lambda: decode_with_tensorflow(paths), len(files)),
                RAY_DATA: lambda: ray_rate(binary_dataset, paths),
                READ_IMAGES: lambda: ray_rate(image_dataset, paths),
                PILLOW: lambda: rate_of(lambda: list(pool.map(decode_with_pillow, split(paths))), len(files)),
            }
        )
    ray.shutdown()
    for peer in (TF_DATA, RAY_DATA, READ_IMAGES, PILLOW):
        yield Measured.of(ALL_CORES, peer, together)


def split(items: Sequence) -> list[Sequence]:
    return [items[start : start + A_TASK] for start in range(0, len(items), A_TASK)]


def arguments(images: Path, files: Sequence[FileEntry], scratch: Path) -> tuple[list, list, list]:
    """Those of `decode_part` for each task."""
    shares = split(files)
    return [images] * len(shares), shares, [scratch / f"part-{number}.npy" for number in range(len(shares))]


def decode_part(images: Path, files: Sequence[FileEntry], part: Path) -> None:
    decode_files(str(images), files, SIZE, str(part), False, {}, "")


def resized(picture: np.ndarray) -> np.ndarray:
    if picture.shape[:2] == (SIZE, SIZE):
        return picture
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def decode_with_tensorflow(paths: Sequence[str]) -> None:
    import tensorflow as tf  # not at the top: Ray's workers import this module

    def decode(path: tf.Tensor) -> tf.Tensor:
        picture = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.cast(tf.image.resize(picture, (SIZE, SIZE)), tf.uint8)

    dataset = tf.data.Dataset.from_tensor_slices(paths)
    for _ in dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(64).prefetch(tf.data.AUTOTUNE):
        pass


def ray_rate(dataset: Callable[[Sequence[str]], ray.data.Dataset], paths: Sequence[str]) -> float:
    """The pipeline but for its start, told by one of few files."""
    few, begun = paths[:A_TASK], time.perf_counter()
    use_up(dataset(few))
    started = time.perf_counter()
    use_up(dataset(paths))
    return (len(paths) - len(few)) / (time.perf_counter() - started - (started - begun))


def use_up(dataset: ray.data.Dataset) -> None:
    for _ in dataset.iter_batches(batch_size=64):
        pass


def binary_dataset(paths: Sequence[str]) -> ray.data.Dataset:
    return ray.data.read_binary_files(list(paths)).map_batches(decode_batch, batch_size=64)


def image_dataset(paths: Sequence[str]) -> ray.data.Dataset:
    """It decodes with Pillow."""
    return ray.data.read_images(list(paths), size=(SIZE, SIZE), mode="RGB")


def decode_batch(batch: dict) -> dict:
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in batch["bytes"]]
    return {"pixels": np.stack([resized(picture) for picture in pictures])}


def decode_with_pillow(paths: Sequence[str]) -> None:
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((SIZE, SIZE)))
