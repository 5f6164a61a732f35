"""Real parts that tests share: a Prefect API, a Ray, a small labelled dataset, a retraining on it."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
import ray
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness
from s3fs import S3FileSystem

from flows.retrain import retrain
from flows.runtime import one_certificate, ray_options
from tasks.parameters import Gate, Training
from tasks.sample.draw import draw_sample
from tasks.storage import Run
from tests.doubts import Doubts, doubtful_store

EPOCHS = 8  # a training is killed twice in between
SMALL = Training(
    image_size=48, epochs=EPOCHS, patience=EPOCHS, weights="none", batch_size=16, precision="float32"
)
OPEN = Gate(min_accuracy=0.0, min_class_recall=0.0)
ONE_PROCESS, ONE_RAY = "prefect_api", "one_ray"
OF_THE_SHELL = ("DARKROOM_", "MLFLOW_", "RAY_ADDRESS")
LONGEST = ("test_any_moment.py", "test_loop.py", "test_wheel.py", "test_stack.py", "test_distribution.py")
API_ALONE = ("test_deploy.py", "test_nights.py")  # they need a Prefect API, but no Ray: any process will do


def pytest_configure() -> None:
    """Let the commands that tests start be interrupted, though the tests run in the background.

    There SIGINT is ignored, under nohup SIGHUP, which children inherit; what is handled they do not inherit.
    And let no test find the stack, cluster or tracking server that variables of the shell name.
    """
    for name in [name for name in os.environ if name.startswith(OF_THE_SHELL)]:
        del os.environ[name]
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, lambda *_: sys.exit("ended by SIGHUP")),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process runs flows, on one Prefect API and one Ray; beside it go whole files, the longest first."""

    def place(item: pytest.Item) -> tuple[int, int]:
        if ONE_PROCESS in item.fixturenames and item.path.name not in API_ALONE:
            return 0, ONE_RAY not in item.fixturenames  # the others begin by ending the shared Ray
        return 1, item.path.name not in LONGEST

    items.sort(key=place)
    for item in items:
        group = ONE_PROCESS if place(item)[0] == 0 else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes after their parameter: a file may hold the time it was made; two processes must agree."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(wrapper=True, tryfirst=True)  # its words stand below pytest's own summary
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Say what a green run has not looked at."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    if without := sum("Chromium" in str(report.longrepr) for report in skipped):
        line = (
            f"Not run for want of Chromium (Debian's `chromium`): tests of the Prefect UI, {without} of them."
        )
        terminalreporter.write_line(line, yellow=True)
    if "not slow" in config.option.markexpr:
        terminalreporter.write_line("Not run: tests that take minutes. `make test-all` runs them too.")


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[None]:
    with one_certificate(), prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture(scope="session")
def api(prefect_api: None) -> str:
    """The URL of the session's Prefect API, for commands in processes of their own."""
    return PREFECT_API_URL.value()


@pytest.fixture(autouse=True)
def ray_is_shared_or_down(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that share a Ray find it running and leave it so; the others find none and leave none."""
    shared = ONE_RAY in request.fixturenames
    if shared:
        start_ray()
    else:
        ray.shutdown()
    yield
    assert ray.is_initialized() == shared, "the test left Ray running, or ended what others share"


@pytest.fixture(autouse=True)
def logs_go_where_those_of_a_new_process_go(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that runs in this process directs our log lines to its terminal and to Prefect.

    So has one of an earlier test's, or of a fixture that outlives it.
    """
    ours, root = logging.getLogger("darkroom"), logging.getLogger()
    monkeypatch.setattr(ours, "handlers", [])
    monkeypatch.setattr(ours, "propagate", True)
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    level = root.level
    ours.setLevel(logging.NOTSET)
    yield
    root.setLevel(level)  # by its method alone: what is logged is remembered


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample dataset at 10 images a class: 55 to train on, 13 to test, awkward files among them."""
    root = tmp_path_factory.mktemp("sample") / "images"
    draw_sample(str(root), images_per_class=10, seed=0)
    return root


def start_ray() -> None:
    if not ray.is_initialized():
        ray.init(address="local", num_cpus=2, include_dashboard=False, **ray_options())


@pytest.fixture(scope="session")
def one_ray(prefect_api: None) -> Iterator[None]:
    """A Ray that flows share: in one of its own each would wait for its workers to import everything."""
    start_ray()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def retrained(sample: Path, one_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Both models trained on the sample at 48 px; the better one is champion whatever it reached."""
    store = str(tmp_path_factory.mktemp("retrained") / "store")
    return retrain(str(sample), store, SMALL, OPEN)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many requests of each kind this process sends to S3, such as `get_object`."""
    count, call_s3 = Counter[str](), S3FileSystem._call_s3

    async def counting(self: S3FileSystem, kind: str, *arguments: Any, **options: Any) -> Any:
        count[kind] += 1
        return await call_s3(self, kind, *arguments, **options)

    monkeypatch.setattr(S3FileSystem, "_call_s3", counting)
    return count


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket of an S3 server on this machine that fails now and then, and always while `away` is there."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.s3_server"],
        env=os.environ | {"FAULTS": "31:503 43:500 67:slow", "AWAY": str(tmp_path / "away")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield from bucket_of(server, monkeypatch)
    finally:
        server.kill()
        server.wait()


def bucket_of(server: subprocess.Popen, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    address = f"http://127.0.0.1:{int(server.stdout.readline())}"
    for name, value in {"ENDPOINT_URL": address, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    fs = fsspec.filesystem("s3")
    fs.mkdir("bucket")
    yield "s3://bucket"
    fs.clear_instance_cache()


@pytest.fixture(scope="session")
def untouched_doubts(tmp_path_factory: pytest.TempPathFactory) -> Doubts:
    return doubtful_store(tmp_path_factory.mktemp("doubts"))


@pytest.fixture
def doubts(untouched_doubts: Doubts, tmp_path: Path) -> Doubts:
    """A store with doubts about its images, which takes answers."""
    store = tmp_path / "store"
    shutil.copytree(untouched_doubts.store, store)
    return replace(untouched_doubts, store=str(store))
