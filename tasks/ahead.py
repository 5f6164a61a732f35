"""Work done ahead of whoever asks for it, by threads, with a bound on what is held."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 3  # batches; while training they wait on the device
CHUNK = 16


def in_order(
    function: Callable[[T], R],
    items: Iterable[T],
    threads: int,
    most: int,
    weight: Callable[[T], float] = lambda _: 0.0,
) -> Iterator[R]:
    """Yield function(item) of each item in order, computed ahead by threads, or when asked for without any.

    What is held waiting is at most `most` results and weighs at most 1, or is one chunk's. Threads take
    chunks, since handing over costs as much as reading a small file.
    """

    if not threads:
        yield from map(function, items)
        return

    def compute(chunk: Sequence[T]) -> list[R]:
        return [function(item) for item in chunk]

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[int, float, Future[list[R]]]] = deque()
        held, held_weight = 0, 0.0
        for chunk, heavy in _chunks(items, weight):
            while waiting and (held + len(chunk) > most or held_weight + heavy > 1):
                count, lighter, future = waiting.popleft()
                yield from future.result()
                held, held_weight = held - count, held_weight - lighter
            waiting.append((len(chunk), heavy, pool.submit(compute, chunk)))
            held, held_weight = held + len(chunk), held_weight + heavy
        while waiting:
            yield from waiting.popleft()[-1].result()


def _chunks(items: Iterable[T], weight: Callable[[T], float]) -> Iterator[tuple[list[T], float]]:
    """Cut items into runs of at most CHUNK that weigh at most 1 / CHUNK, or of one, with their weight."""
    chunk: list[T] = []
    held = 0.0
    for item in items:
        heavy = weight(item)
        if chunk and (len(chunk) == CHUNK or held + heavy > 1 / CHUNK):
            yield chunk, held
            chunk, held = [], 0.0
        chunk.append(item)
        held += heavy
    if chunk:
        yield chunk, held


def ahead(items: Callable[[], Iterable[T]]) -> Iterator[T]:
    """Yield what `items()` yields while a thread prepares the next AHEAD; its error is raised here."""
    waiting: queue.Queue = queue.Queue(AHEAD)
    stopped = threading.Event()

    def produce() -> None:
        try:
            for item in items():
                waiting.put((item, None))
                if stopped.is_set():
                    return
            waiting.put((None, StopIteration()))
        except Exception as error:
            waiting.put((None, error))

    threading.Thread(target=produce, daemon=True).start()
    try:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error:
                raise error
            yield item
    finally:
        stopped.set()
        while not waiting.empty():
            waiting.get_nowait()
