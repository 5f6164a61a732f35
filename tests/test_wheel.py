"""The wheel holds everything, and runs where it is installed, whatever lies in the folder it is run from."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from deployments.services import end
from deployments.settings import Settings
from deployments.stack import marked
from tests.faults.processes import ENDED_SECONDS, until
from tests.ports import free_ports
from tests.stacks import QUICK

ROOT = Path(__file__).parent.parent
PACKAGES = ("flows", "tasks", "deployments")
SMALL = "--models cnn --image-size 32 --epochs 1 --batch-size 16 --min-accuracy 0 --min-class-recall 0"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_all_files_of_its_packages(wheel: Path):
    files = (path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    names = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert "tasks/pages/templates/style.css" in names
    assert names - set(ZipFile(wheel).namelist()) == set()


@pytest.mark.slow
def test_it_runs_in_a_folder_with_modules_of_the_users_own(wheel: Path, tmp_path: Path):
    darkroom = installed(wheel, tmp_path / "an environment")
    folder = tmp_path / "folder of the user"
    for name in ("tasks.py", "flows/__init__.py", "deployments/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"raise SystemExit('{name} of the user was imported')")

    def run(command: str) -> None:
        env = environment() | {"PREFECT_HOME": str(tmp_path / "prefect")}
        done = subprocess.run(
            [darkroom, *command.split()], cwd=folder, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    run("sample images --images-per-class 10")
    run(f"retrain --images images --weights none {SMALL}")
    assert (folder / "store" / "index.html").exists()
    with stack(darkroom, folder) as settings, httpx.Client(auth=settings.login) as client:
        api = f"{settings.url}/api"
        deployed = client.post(f"{api}/deployments/filter", json={}).json()
        [id] = [one["id"] for one in deployed if one["name"] == "folder" and "classify" in one["entrypoint"]]
        run_url = (
            f"{api}/flow_runs/{client.post(f'{api}/deployments/{id}/create_flow_run', json={}).json()['id']}"
        )
        until(lambda: client.get(run_url).json()["state_type"] == "COMPLETED")
    assert list(folder.glob("darkroom/predictions/**/_SUCCESS"))


def installed(wheel: Path, environment: Path) -> Path:
    """The `darkroom` command of a new environment, which holds the lock and the wheel."""
    uv = Path(sys.executable).with_name("uv")
    python = environment / "bin" / "python"
    for command in (
        ["venv", "--python", sys.executable, environment],
        ["pip", "sync", "--python", python, "--require-hashes", ROOT / "requirements.lock"],
        ["pip", "install", "--python", python, "--no-deps", wheel],
    ):
        subprocess.run([uv, "--quiet", *command], check=True)
    return python.with_name("darkroom")


def environment() -> dict[str, str]:
    ours = ("PREFECT_", "RAY_", "DARKROOM_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def stack(darkroom: Path, folder: Path) -> Iterator[Settings]:
    """`darkroom up` on the images and the store of a folder."""
    port, ray_port, files_port = free_ports(3)
    settings = Settings(home=folder / "darkroom", port=port, ray_port=ray_port, files_port=files_port)
    told = {
        "HOME": "darkroom",
        "IMAGES": "images",
        "INBOX": "images/seg_pred",
        "STORE": "store",
        "WEIGHTS": "none",
    }
    told |= {"PORT": str(port), "RAY_PORT": str(ray_port), "FILES_PORT": str(files_port)}
    process = subprocess.Popen(
        [darkroom, "up"],
        cwd=folder,
        env=environment() | QUICK | {f"DARKROOM_{name}": value for name, value in told.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert any("Ctrl-C" in line for line in process.stdout), process.stderr.read()
        yield settings
        process.send_signal(signal.SIGINT)
        assert process.wait(ENDED_SECONDS) == 0
    finally:
        process.kill()
        end(marked(settings))
