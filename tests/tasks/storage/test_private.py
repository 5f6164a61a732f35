"""What lies in the temporary folder, which all users of a machine share, is ours alone, and is not left."""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import fsspec
import pytest
import ray

from deployments.services import check_sockets
from tasks import storage
from tasks.errors import InputError
from tasks.storage.objects import mark_of

PIXELS = "memory://store/part-00000.npy"
LEAVE = """
import os, signal, sys, tempfile
import flows.cli.main
from flows.runtime import one_certificate
from tasks.storage.lock import Lock
def leave(*_, **__):
    tempfile.mkdtemp(prefix="pymp-")
    lock = Lock(os.path.join(os.environ["OUTPUT"], "_lock.json"))
    lock.acquire("output")
    with one_certificate():
        os.kill(os.getpid(), signal.SIGKILL)
sys.modules["flows.cli.main"].app = leave
sys.modules["flows.cli.main"].run([])
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder as users share it."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as name:
        os.chmod(name, 0o1777)
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)


@pytest.fixture
def pixels() -> bytes:
    fsspec.filesystem("memory").pipe_file("/store/part-00000.npy", b"ours")
    return b"ours"


def test_pixels_that_another_user_planted_are_not_trained_on(shared: Path, pixels: bytes):
    mark = mark_of(fsspec.filesystem("memory").info("/store/part-00000.npy"))
    key = hashlib.sha256(f"{PIXELS} {mark}".encode()).hexdigest()[:32]
    planted = shared / "darkroom-cache" / f"{key}-part-00000.npy"
    planted.parent.mkdir(mode=0o777)
    planted.write_bytes(b"theirs")
    assert Path(storage.local_copy(PIXELS)).read_bytes() == pixels


@pytest.mark.parametrize("plant", ["open", "link", "file", "of another"])
def test_a_folder_that_is_not_ours_alone_is_refused_in_one_line(shared: Path, pixels: bytes, plant: str):
    folder = shared / f"darkroom-{os.geteuid()}"
    if plant == "link":
        (shared / "theirs").mkdir(mode=0o700)
        folder.symlink_to("theirs")
    elif plant == "file":
        folder.touch(0o600)
    else:
        folder.mkdir(mode=0o700)
        folder.chmod(0o777 if plant == "open" else 0o700)
    if plant == "of another":
        if os.geteuid():
            pytest.skip("only root can give a folder away")
        os.chown(folder, 65534, 65534)
    with pytest.raises(InputError, match=r"nobody else may write to.*Received.*remove it, or") as error:
        storage.local_copy(PIXELS)
    assert "\n" not in str(error.value)


def test_a_second_user_of_the_machine_has_a_folder_too(shared: Path, pixels: bytes):
    if os.geteuid():
        pytest.skip("needs root, to be two users")
    storage.local_copy(PIXELS)
    child = os.fork()
    if not child:
        try:
            os.setuid(65534)
            os._exit(Path(storage.local_copy(PIXELS)).read_bytes() != pixels)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_what_a_killed_command_left_goes_when_the_next_begins(output: Path, shared: Path):
    environment = os.environ | {"OUTPUT": str(output)}
    killed = subprocess.run([sys.executable, "-c", LEAVE], env=environment, stderr=subprocess.PIPE)
    assert killed.returncode == -9, killed.stderr.decode()
    left = [path.name for path in shared.rglob("*") if not path.is_dir()]
    assert any(name.endswith(".pem") for name in left)
    subprocess.run([sys.executable, "-m", "flows.cli", "--version"], env=environment, check=True)
    with storage.locked(str(output), "output"):
        pass
    assert [path.name for path in shared.rglob("*")] == [f"darkroom-{os.geteuid()}"]


def test_a_command_in_a_command_has_the_same_private_folder(shared: Path):
    outer = storage.private_folder()
    with storage.own_temporary_folder():
        assert Path(tempfile.mkdtemp()).parent.parent == outer == storage.private_folder()
        with storage.own_temporary_folder():
            assert storage.private_folder() == outer
            assert len(list(outer.glob("command-*"))) == 2
        assert os.environ["RAY_TMPDIR"] == str(outer)
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(shared)
    assert list(outer.iterdir()) == []


def test_sessions_of_ray_lie_where_no_other_user_can_put_a_socket(shared: Path):
    with storage.own_temporary_folder():
        folder = Path(ray._common.utils.get_default_ray_temp_dir())
    assert folder.parent == storage.private_folder()
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_no_session_of_ray_lies_where_another_user_can_put_a_socket(shared: Path, monkeypatch):
    """Not even where the path of the temporary folder leaves no room for one of our own in it."""
    long = shared / ("d" * (storage.LONGEST_RAY_FOLDER - len(str(shared)) - 1))
    long.mkdir()
    long.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with (
        storage.own_temporary_folder(),
        pytest.raises(InputError, match="set RAY_TMPDIR to a"),
    ):
        check_sockets()
    monkeypatch.setenv("RAY_TMPDIR", str(shared))
    with (
        storage.own_temporary_folder(),
        pytest.raises(InputError, match="set RAY_TMPDIR to a"),
    ):
        check_sockets()


def test_sessions_of_a_ray_that_has_ended_go_and_others_stay(shared: Path):
    ray_folder = storage.private_folder() / "ray"
    with socket.socket(socket.AF_UNIX) as raylet:
        for name in ("dead", "alive", "new"):
            sockets = ray_folder / f"session_2026-11-26_12-02-46_{name}" / "sockets"
            sockets.mkdir(parents=True)
            with chdir(sockets), socket.socket(socket.AF_UNIX) as ended:
                (raylet if name == "alive" else ended).bind("raylet")  # stays when its process has gone
            if name != "new":
                os.utime(sockets.parent, (0, 0))
        raylet.listen()
        (ray_folder / "session_latest").symlink_to(ray_folder / "session_2026-11-26_12-02-46_alive")
        with storage.own_temporary_folder():
            names = sorted(path.name.rpartition("_")[2] for path in ray_folder.iterdir())
    assert names == ["alive", "latest", "new"]
