"""Threads work ahead of their consumer, not against it."""

import threading

from tasks.ahead import map_ahead


def test_a_consumer_that_stops_early_does_not_wait_for_what_is_still_read():
    proceed = threading.Event()
    results = map_ahead(lambda number: number if number < 16 else proceed.wait(30), range(64), 2, 64)
    assert next(results) == 0
    closing = threading.Thread(target=results.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    proceed.set()
