"""Four machines: A runs the stack, B and C are nodes of it, D serves S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.ground import Ground
from tests.hosts.machines import machines, why_not


@pytest.fixture(scope="session")
def ground(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    if reason := why_not():
        pytest.skip(f"machines of namespaces: {reason}")
    with machines("ABCD", tmp_path_factory.mktemp("disks")) as hosts:
        ground = Ground(hosts)
        ground.start(sample)
        yield ground
