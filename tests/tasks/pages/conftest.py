"""Records that several tests of pages read, each made anew for a test that changes it."""

from typing import Any

import pytest

from tests.tasks.pages import records


@pytest.fixture
def audit(store: str) -> dict[str, Any]:
    return records.audit(store)


@pytest.fixture
def metrics() -> dict[str, dict[str, Any]]:
    return {"cnn": records.metrics("cnn")}


@pytest.fixture
def summary(store: str, metrics: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return records.summary(store, metrics)
