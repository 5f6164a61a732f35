"""The benches are run by hand, and rarely: what they import must be there all the same."""

import importlib

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("name", ["__main__", "gpu"])
def test_the_benches_find_what_they_import(name: str):
    importlib.import_module(f"tests.bench.{name}")
