"""What runs Darkroom elsewhere is well-formed."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from deployments.settings import Settings

FOLDER = Path(__file__).parent.parent / "deployments"


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    units = []
    for unit in (FOLDER / "systemd").glob("*.service"):
        text = unit.read_text().replace("/opt/darkroom/.venv/bin/", "/bin/echo ")  # not installed there
        units.append(tmp_path / unit.name)
        units[-1].write_text(text)
    assert len(units) == 4
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if "darkroom-" in line]


def test_the_services_are_told_what_up_tells_them():
    lines = (FOLDER / "systemd" / "environment").read_text().splitlines()
    told = {line.removeprefix("# ").split("=")[0] for line in lines if "=" in line.split(" ")[-1]}
    asked = Settings(password="x", database="postgresql+asyncpg://x").environment
    assert set(asked) | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"} <= told


def test_the_kubernetes_manifests_are_whole():
    text = (FOLDER / "kubernetes" / "darkroom.yaml").read_text()
    assert [one["kind"] for one in yaml.safe_load_all(text)] == ["ConfigMap", "RayCluster", "Deployment"]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [({"host": "10.0.0.1"}, "DARKROOM_PASSWORD"), ({"host": "0.0.0.0", "password": "x"}, "DARKROOM_HOST")],
)
def test_nothing_listens_beyond_loopback_unguarded(asked, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Settings(**asked)
