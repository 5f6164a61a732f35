"""Four machines: A runs the stack, B and C are nodes of it, D serves S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.ground import SIZE_PX, Ground
from tests.hosts.machines import machines, why_not
from tests.untrained import untrained_store


@pytest.fixture(scope="session")
def ground(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    if reason := why_not():
        pytest.skip(f"machines of namespaces: {reason}")
    store = untrained_store(tmp_path_factory.mktemp("untrained"), "cnn", SIZE_PX)
    with machines("ABCD", tmp_path_factory.mktemp("disks")) as hosts:
        ground = Ground(hosts)
        ground.start(sample, Path(store))
        yield ground
