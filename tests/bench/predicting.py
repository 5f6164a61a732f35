"""Bulk classification, beside the bare model and beside the ways one would write it oneself."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import get_args
from unittest.mock import patch

import numpy as np
from rich.console import Console

from flows.classify import classify
from flows.runtime import prefect_api
from tasks.networks.engines import load_classifier
from tasks.networks.version import BATCH, ModelVersion
from tasks.parameters import Classification, Engine
from tasks.registry.versions import read_version
from tests.bench.measure import CORES, SIZE, Measured, alternate, rate_of, steady_rate
from tests.bench.peers import peers_of
from tests.untrained import untrained_store

PRELOADED = 8 * BATCH
BARE_ROUNDS = 4
KINDS = ("cnn", "mobilenet_v2")
BARE = {
    "one session on all cores": (1, CORES),
    "one process a core": (CORES, 1),
}  # processes, threads of each


def bench(images: Path, scratch: Path) -> Iterator[Measured]:
    for kind in KINDS:
        store = untrained_store(scratch / f"store-{kind}", kind, SIZE)
        ours = {engine: f"classify with {kind}, engine {engine}" for engine in get_args(Engine)}
        peers = peers_of(images, store, scratch)
        contenders: dict[str, Callable[[], float]] = dict(peers)
        for engine, name in ours.items():
            contenders[name] = partial(classify_rate, images, store, scratch, engine)
            for how, (processes, threads) in BARE.items():
                contenders[bare_name(engine, how)] = partial(bare_rate, store, engine, processes, threads)
        rates = alternate(contenders)
        yield Measured.of(ours["int8"], ours["exact"], rates)
        for engine, name in ours.items():
            for how in BARE:
                yield Measured.of(name, bare_name(engine, how), rates)
        for peer in peers:
            yield Measured.of(ours["int8" if "int8" in peer else "exact"], peer, rates)


def bare_name(engine: Engine, how: str) -> str:
    return f"the bare model, {engine}, {how}"


def classify_rate(images: Path, store: str, scratch: Path, engine: Engine) -> float:
    """Images a second between the first parts' commits and the last; what came before is told apart."""
    output = Path(tempfile.mkdtemp(dir=scratch)) / "output"
    with prefect_api():
        started = time.time()
        summary = classify(str(images), store, str(output), options=Classification(engine=engine))
        ended = time.time()
    first = min(part.stat().st_mtime for part in output.glob("part-*"))
    Console(stderr=True).print(
        f"classify with {', '.join(summary['engines'])}, all of it: {ended - started:.1f} s for "
        f"{summary['images']:,} files; "
        f"{first - started:.1f} s until the first part was written"
    )
    return steady_rate(output)


def bare_rate(store: str, engine: Engine, processes: int, threads: int) -> float:
    """The engine that classify uses, on batches in memory, with nothing to read, decode or write."""
    spawn = multiprocessing.get_context("spawn")
    together, rates = spawn.Barrier(processes), spawn.SimpleQueue()
    workers = [
        spawn.Process(target=bare_process, args=(store, engine, threads, together, rates))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    rate = sum(rates.get() for _ in workers)
    for worker in workers:
        worker.join()
    return rate


def of_engine(store: str, engine: Engine) -> ModelVersion:
    version = read_version(store, "champion")
    return version.by_int8() if engine == "int8" else version


def bare_process(store: str, engine: Engine, threads: int, together: Barrier, rates: SimpleQueue) -> None:
    with patch("tasks.networks.engines.granted_cpus", return_value=threads):
        classifier = load_classifier(of_engine(store, engine))
    pixels = np.random.default_rng(0).integers(0, 255, (PRELOADED, SIZE, SIZE, 3), dtype=np.uint8)
    classifier.predict(pixels[:BATCH])
    together.wait()
    rates.put(
        rate_of(lambda: [classifier.predict(pixels) for _ in range(BARE_ROUNDS)], BARE_ROUNDS * PRELOADED)
    )
