"""PyTorch on CPUs as a peer: both networks, channels last, in bfloat16 by autocast, as they are or compiled.

In a process of its own, since its threads and TensorFlow's hinder each other. Loads PyTorch in that only.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from typing import Any

import numpy as np

from tasks.parameters import ModelKind
from tests.bench.measure import SIZE, is_installed, picture_batches, rate_of

BATCH, CLASSES = 128, 6
HOW = {"PyTorch in bfloat16, channels last": False, "PyTorch in bfloat16, compiled": True}
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@lru_cache
def process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def epochs(kind: ModelKind, images: int) -> dict[str, Callable[[], float]]:
    """What gives the images a second of an epoch, by name; nothing where PyTorch is not installed."""
    if not is_installed("torch"):
        return {}
    return {name: partial(run, epoch_rate, kind, compiled, images) for name, compiled in HOW.items()}


def classification(kind: ModelKind, files: Sequence[str]) -> dict[str, Callable[[], float]]:
    """Likewise of files that threads read and decode."""
    if not is_installed("torch"):
        return {}
    return {"threads and PyTorch, compiled, bfloat16": partial(run, classification_rate, kind, files)}


def run(work: Callable[..., float], *arguments: object) -> float:
    return process().submit(work, *arguments).result()


def epoch_rate(kind: ModelKind, compiled: bool, images: int) -> float:
    step = training_step(kind, compiled)
    return rate_of(lambda: [step() for _ in range(images // BATCH)], images)


def classification_rate(kind: ModelKind, files: Sequence[str]) -> float:
    predict = predictor(kind)
    return rate_of(lambda: [predict(batch) for batch in picture_batches(files, BATCH)], len(files))


@lru_cache
def predictor(kind: ModelKind) -> Callable[[np.ndarray], np.ndarray]:
    """Probabilities of at most BATCH pictures, compiled already."""
    import torch

    network = NETWORKS[kind]().eval().to(memory_format=torch.channels_last)
    forward = torch.compile(network, dynamic=False)

    def predict(pictures: np.ndarray) -> np.ndarray:
        pixels = np.zeros((BATCH, SIZE, SIZE, 3), np.uint8)
        pixels[: len(pictures)] = pictures
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            logits = forward(prepared(pixels))
        return logits[: len(pictures)].float().softmax(1).numpy()

    predict(np.zeros((BATCH, SIZE, SIZE, 3), np.uint8))
    return predict


@lru_cache
def training_step(kind: ModelKind, compiled: bool) -> Callable[[], float]:
    """One step of Adam on a batch of noise, after the first ones."""
    import torch

    network = NETWORKS[kind]().to(memory_format=torch.channels_last).train().apply(keep_batch_norm)
    optimizer = torch.optim.Adam(network.parameters())
    forward = torch.compile(network) if compiled else network
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
    labels = torch.randint(0, CLASSES, (BATCH,))

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(forward(prepared(pixels)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    step(), step()
    return step


def prepared(pixels: np.ndarray) -> Any:
    """From uint8 [n, height, width, 3] to float32 [n, 3, height, width], -1 to 1, channels last in memory."""
    import torch

    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def keep_batch_norm(layer: Any) -> None:
    """As in our networks, BatchNorm stays in inference mode."""
    if "BatchNorm" in type(layer).__name__:
        layer.eval()


def cnn() -> Any:
    from torch import nn

    convolutions = [nn.Conv2d(3, 32, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.MaxPool2d(2)]
    dense = [nn.Dropout(0.3), nn.Linear(82_944, 128), nn.ReLU(), nn.Dropout(0.15), nn.Linear(128, CLASSES)]
    return nn.Sequential(*convolutions, nn.ReLU(), nn.Flatten(), *dense)


def mobilenet_v2() -> Any:
    """Sandler et al. 2018, table 2; BLOCKS has its expansion, channels, repeats and stride."""
    from torch import nn

    def unit(inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1) -> list:
        convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU6()]

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
            super().__init__()
            wide = inputs * expansion
            layers = [*unit(wide, wide, 3, stride, wide), *unit(wide, outputs)[:-1]]
            self.layers = nn.Sequential(*(unit(inputs, wide) if expansion > 1 else []), *layers)
            self.adds = stride == 1 and inputs == outputs

        def forward(self, inputs: Any) -> Any:
            return inputs + self.layers(inputs) if self.adds else self.layers(inputs)

    layers, inputs = unit(3, 32, 3, 2), 32
    for expansion, outputs, repeats, stride in BLOCKS:
        for repeat in range(repeats):
            layers.append(Block(inputs, outputs, 1 if repeat else stride, expansion))
            inputs = outputs
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1280, CLASSES)]
    return nn.Sequential(*layers, *unit(320, 1280), *head)


NETWORKS: dict[ModelKind, Callable[[], Any]] = {"cnn": cnn, "mobilenet_v2": mobilenet_v2}
