"""Work that threads do ahead of its consumer, with a bound on the results that wait."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

BUFFER = 3  # items that `prefetch` prepares; while training, a batch waits for the device
CHUNK = 16
REQUESTS = 16  # to storage at once: what each costs is waiting


def map_ahead(
    function: Callable[[T], R],
    items: Iterable[T],
    threads: int,
    max_waiting: int,
    weight: Callable[[T], float] = lambda _: 0.0,
) -> Iterator[R]:
    """Yield function(item) for each item, in order; threads compute the next results meanwhile.

    threads: with 0 each result is computed when the consumer takes it, in the consumer's own thread.
    max_waiting: how many results may wait to be taken. weight: the share of a result in what may wait at
    once, usually of memory; together they weigh at most 1, unless one chunk alone weighs more.

    Threads take the items in chunks, since handing one over costs as much as reading a small file.
    """

    if not threads:
        yield from map(function, items)
        return

    def compute(chunk: Sequence[T]) -> list[R]:
        return [function(item) for item in chunk]

    pool = ThreadPoolExecutor(threads)
    try:
        waiting: deque[tuple[int, float, Future[list[R]]]] = deque()
        count, total_weight = 0, 0.0
        for chunk, chunk_weight in _chunks(items, weight):
            while waiting and (count + len(chunk) > max_waiting or total_weight + chunk_weight > 1):
                first_count, first_weight, future = waiting.popleft()
                yield from future.result()
                count, total_weight = count - first_count, total_weight - first_weight
            waiting.append((len(chunk), chunk_weight, pool.submit(compute, chunk)))
            count, total_weight = count + len(chunk), total_weight + chunk_weight
        while waiting:
            yield from waiting.popleft()[-1].result()
    finally:
        # A consumer that stops early need not wait for the rest. Nor may it: where an error keeps this
        # generator until the garbage collector ends it, that may be while a thread starts, which would
        # then wait for ever for the lock that joining threads takes.
        pool.shutdown(wait=False, cancel_futures=True)


def map_requests(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """function(item) for each item, in order: REQUESTS of them ask storage at a time."""
    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(function, items))


def _chunks(items: Iterable[T], weight: Callable[[T], float]) -> Iterator[tuple[list[T], float]]:
    """Yield runs of items with their weight: at most CHUNK items and 1 / CHUNK, or one heavier item alone."""
    chunk: list[T] = []
    chunk_weight = 0.0
    for item in items:
        item_weight = weight(item)
        if chunk and (len(chunk) == CHUNK or chunk_weight + item_weight > 1 / CHUNK):
            yield chunk, chunk_weight
            chunk, chunk_weight = [], 0.0
        chunk.append(item)
        chunk_weight += item_weight
    if chunk:
        yield chunk, chunk_weight


def prefetch(items: Callable[[], Iterable[T]]) -> Iterator[T]:
    """Yield the items of `items()` while one thread prepares the next BUFFER of them.

    An error in that thread is raised here.
    """
    waiting: queue.Queue = queue.Queue(BUFFER)
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
        while not waiting.empty():  # the thread may be waiting for room to put its next item
            waiting.get_nowait()
