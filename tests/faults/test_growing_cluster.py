"""A cluster that an autoscaler sizes grows for a training that waits for room."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

# Ray's own autoscaler, with nodes that are processes. It wants one fixed port and stops every Ray it sees: it
# gets namespaces of its own for both.
ALONE = (
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "--pid",
    "--fork",
    "--mount",
    "--mount-proc",
    "sh",
    "-c",
)
GROW = """
import json, os, subprocess
import ray
from flows.runtime import ray_options
from tasks.parameters import Training
from tasks.training.room import wait_for_room
from tests.faults.processes import until

config = {
    "cluster_name": "growing",
    "max_workers": 2,
    "upscaling_speed": 1.0,
    "idle_timeout_minutes": 5,
    "provider": {"type": "fake_multinode", "use_node_id_as_ip": True},
    "auth": {},
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 1}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": {"CPU": 2}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
}
for name in ("docker", "file_mounts"):
    config[name] = {}
for name in ("cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands"):
    config[name] = []
for name in ("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
    config[name] = []
with open("/mnt/config.json", "w") as file:
    json.dump(config, file)
head = ["ray", "start", "--head", "--num-cpus=1", "--autoscaling-config=/mnt/config.json"]
head += ["--include-dashboard=false"]
growing = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
subprocess.run(head, env=os.environ | growing, check=True)
ray.init(address="auto", **ray_options())


@ray.remote(num_cpus=0)
def room(workers):
    words = []
    return str(wait_for_room(Training(workers=workers), words.append)), words, len(ray.nodes())


print(ray.get(room.remote(2), timeout=60))
holder = ray.util.placement_group([{"CPU": 2}])
ray.get(holder.ready())
until(lambda: ray.available_resources().get("CPU") == 1)
print(ray.get(room.remote(1), timeout=60))
groups = ray.util.placement_group_table().values()
print("left:", [group["state"] for group in groups if group["name"] and group["state"] != "REMOVED"])
"""


@pytest.mark.slow
def test_a_cluster_that_grows_by_demand_gets_a_node_for_a_training_that_waits(tmp_path: Path):
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("needs namespaces (util-linux, and users who may make them)")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_TMPDIR": "/mnt", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = tmp_path / "grow.py"
    script.write_text(GROW)
    command = f"mount -t tmpfs none /mnt; ip link set lo up; exec {shlex.quote(sys.executable)} -P {script}"
    done = subprocess.run([*ALONE, command], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    for line in ("('2 times 1 CPUs', ['waits for a node in place of a lost one.", "left: []"):
        assert line in done.stdout
    assert "('2 CPUs', ['waits for 2 CPUs, which another training holds'], 3)" in done.stdout
