"""Peak memory of one training worker, against what a run says beforehand that it will take."""

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from tasks.networks import architectures
from tasks.parameters import Augmentation, ModelKind, Training
from tasks.training import frozen, loop, phases
from tasks.training.batches import CachedExamples, CachedRows
from tasks.training.loop import FitPlan, FitState, Fitting
from tasks.training.memory import needed_bytes
from tasks.training.phases import Phase
from tests.bench.measure import Measured
from tests.peak import peak_bytes

STEPS = 3
RECIPES: tuple[tuple[ModelKind, str, int], ...] = (
    ("cnn", "none", 32),
    ("cnn", "none", 128),
    ("mobilenet_v2", "none", 32),
    ("mobilenet_v2", "none", 128),
    ("mobilenet_v2", "imagenet", 128),
)


class NoiseSplit:
    """Pictures of noise in six classes."""

    def __init__(self, count: int, size_px: int):
        self.labels = (np.arange(count) % 6).astype(np.int32)
        shape = (count, size_px, size_px, 3)
        self._pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> np.ndarray:
        return self._pixels[indices]


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    for kind, weights, batch_size in RECIPES:
        training = Training(models=(kind,), weights=weights, batch_size=batch_size, epochs=1)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            peak = pool.submit(train_on_noise, kind, training).result()
        what = f"{kind} from {'random' if weights == 'none' else 'pretrained'} weights, batch {batch_size}"
        yield Measured(
            f"{what}: peak", peak / 1e9, "told beforehand", needed_bytes(kind, training) / 1e9, "GB"
        )


def train_on_noise(kind: ModelKind, training: Training) -> int:
    """The largest resident set of this process after a few steps, both precisions tried, in bytes."""
    count = STEPS * training.batch_size
    splits = {"train": NoiseSplit(count, training.image_size), "val": NoiseSplit(64, training.image_size)}
    dataset = SimpleNamespace(classes=tuple("abcdef"), size_px=training.image_size, split=splits.get)
    if training.weights == "none":
        [phase] = phases.KINDS[kind](dataset, training, None)[1]  # type: ignore[arg-type]
    else:
        phase = tail_phase(dataset, training)
    plan = FitPlan(phase.optimizer, 1, training.batch_size, phase.learning_rate, training, 0, 1, phase.mixup)
    strategy = tf.distribute.get_strategy()

    def build() -> keras.Model:
        return phase.build([])

    loop.choose_precision("auto", build, strategy, plan, phase.train)
    fitting = Fitting(build, strategy, plan, count)
    loop.fit(fitting, phase.train, phase.val, FitState(), lambda _: None)
    return peak_bytes()


def tail_phase(dataset: SimpleNamespace, training: Training) -> Phase:
    """The last phase of a MobileNetV2 as if pretrained, on what its frozen part says of noise."""
    whole = architectures.build_mobilenet_v2(6, training.image_size)
    base = architectures.frozen_part(whole, activations=True)
    examples = []
    for name in ("train", "val"):
        split = dataset.split(name)
        with tempfile.TemporaryDirectory() as folder:
            urls = [f"{folder}/features.npy", f"{folder}/activations.npy"]
            frozen._compute(base, split, np.arange(len(split)), 1, Augmentation(), 0, urls)
            rows = CachedRows([np.load(urls[1])], np.array([0, len(split)]))
        examples.append(CachedExamples(rows, split.labels, 0))
    return Phase(lambda _: architectures.build_tail(whole), *examples, 1, "adam", 1e-4, mixup=0.2)
