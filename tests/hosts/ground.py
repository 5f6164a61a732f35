"""A stack on several machines, the jobs that run on it, and what they came to."""

import hashlib
import io
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import pyarrow as pa
import pyarrow.parquet as pq

from deployments.settings import Settings
from tests.faults.processes import PATIENCE_SECONDS, command_of, until
from tests.hosts.machines import Machine, interrupt
from tests.hosts.s3 import Bucket, connected

PASSWORD = "password-of-the-hosts"
S3_PORT = 9000
SIZE_PX = 32
EPOCHS, INBOX_FILES = 24, 1_536
RETRAIN = f"""
    retrain --images s3://bucket/images --models cnn --weights none --image-size {SIZE_PX} --batch-size 16
    --precision float32 --epochs {EPOCHS} --patience {EPOCHS} --min-accuracy 0 --min-class-recall 0
    --workers 2
""".split()
CLASSIFY = [
    "classify",
    "--images",
    "s3://bucket/inbox",
    "--store",
    "s3://bucket/untrained",
    "--cpus-per-task",
    "2",
]  # one task a machine


class Ground:
    """Machines A, B, C (the stack and its nodes) and D (S3), and what runs on them."""

    def __init__(self, hosts: Sequence[Machine]):
        self.a, self.b, self.c, self.d = hosts
        self.bucket = Bucket(self.d, S3_PORT, "bucket")
        self.away = self.d.disk / "away"
        cloud = {"ENDPOINT_URL": f"http://{self.d.address}:{S3_PORT}"}
        cloud |= {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}
        self.cloud = {f"AWS_{name}": value for name, value in cloud.items()}
        self._commands: list[subprocess.Popen] = []

    def start(self, sample: Path, store: Path) -> None:
        storage = {"HOST": self.d.address, "PORT": str(S3_PORT), "AWAY": str(self.away)}
        self.s3 = self.d.start([sys.executable, "-m", "tests.s3_server"], storage)
        until(lambda: can_connect(self.d, S3_PORT), self.s3)
        self.bucket.put("", b"")
        self._upload(sample)
        for path in files_below(store):
            self.bucket.put(f"untrained/{path.relative_to(store)}", path.read_bytes())
        self.up()
        self.joined = {host.name: self.join(host) for host in (self.b, self.c)}
        self.mend()

    def mend(self) -> None:
        """Have everything well again and no command at work, and wait until it is so."""
        for process in self._commands:
            if process.poll() is None:
                interrupt(process, signal.SIGKILL)
        self._commands.clear()
        self.away.unlink(missing_ok=True)
        for host in (self.b, self.c):
            if self.joined[host.name].poll() is not None:
                self.revive(host)
        for host in (self.b, self.c):
            until(lambda host=host: is_node(host), self.joined[host.name])

    def revive(self, host: Machine) -> None:
        """Give a machine its power back; its service starts by itself."""
        host.forget()
        host.boot()
        self.joined[host.name] = self.join(host)

    def _upload(self, sample: Path) -> None:
        """The sample, without its awkward files; and an inbox of many of its pictures."""
        images = [path for path in files_below(sample) if path.suffix == ".jpg" and path.stat().st_size]
        for path in images:
            self.bucket.put(f"images/{path.relative_to(sample)}", path.read_bytes())
        pictures = [path.read_bytes() for path in images]
        for number in range(INBOX_FILES):
            self.bucket.put(f"inbox/{number:05}.jpg", pictures[number % len(pictures)])

    def up(self) -> None:
        settings = {"HOST": self.a.address, "PASSWORD": PASSWORD, "HOME": str(self.a.disk / "stack")}
        settings |= {"STORE": "s3://bucket/store", "WEIGHTS": "none"}
        before = self.a.said().count("Ctrl-C")
        self.stack = self.a.darkroom("up", environment=self.cloud | prefixed(settings))
        until(lambda: self.a.said().count("Ctrl-C") > before, self.stack)

    def join(self, host: Machine) -> subprocess.Popen:
        settings = {"PASSWORD": PASSWORD, "HOME": str(host.disk / "node")}
        return host.darkroom("join", self.a.address, environment=self.cloud | prefixed(settings))

    def run(self, command: Sequence[str], host: Machine | None = None) -> subprocess.Popen:
        """A command on a machine of the cluster, A unless said otherwise."""
        host = host or self.a
        (home := host.disk / "commands").mkdir(exist_ok=True)
        settings = Settings(host=self.a.address, password=PASSWORD, home=home)
        process = host.darkroom(*command, environment=self.cloud | settings.environment)
        self._commands.append(process)
        return process

    def retrain(self, store: str, *more: str, host: Machine | None = None) -> subprocess.Popen:
        return self.run([*RETRAIN, "--store", f"s3://bucket/{store}", *more], host)

    def classify(self, output: str, host: Machine | None = None) -> subprocess.Popen:
        return self.run([*CLASSIFY, "--output", f"s3://bucket/{output}"], host)

    def reach(self, process: subprocess.Popen, condition: Callable[[], object]) -> None:
        """Wait until a command is where a condition holds; it must be at work then."""
        until(lambda: condition() or process.poll() is not None)
        assert process.poll() is None, self.a.said()[-3_000:]

    def finish(self, process: subprocess.Popen, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for a command, after which S3 answers all again."""
        assert process.wait(seconds) == 0, self.a.said()[-3_000:]
        self.away.unlink(missing_ok=True)

    def epochs(self, store: str) -> int:
        """How many epochs the one training in a store has behind it."""
        histories = [key for key in self.bucket.keys(f"{store}/runs/") if key.endswith("/cnn/history.csv")]
        return len((self.bucket.get(histories[0]) or b"").splitlines()) - 1 if histories else 0

    def weights(self, store: str) -> str:
        """A digest of the weights of the one model in a store."""
        [key] = [key for key in self.bucket.keys(f"{store}/models/") if key.endswith("/model.keras")]
        return digest_of_weights(self.bucket.get(key))

    def name_of_run(self, store: str) -> str:
        return self.bucket.keys(f"{store}/runs/")[0].split("/")[2]

    def parts(self, output: str) -> list[str]:
        return [key for key in self.bucket.keys(f"{output}/part-") if key.endswith(".parquet")]

    def rows(self, output: str) -> pa.Table:
        tables = [pq.read_table(io.BytesIO(self.bucket.get(key))) for key in self.parts(output)]
        return pa.concat_tables(tables)


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def prefixed(settings: dict[str, str]) -> dict[str, str]:
    return {f"DARKROOM_{name}": value for name, value in settings.items()}


def can_connect(host: Machine, port: int) -> bool:
    try:
        connected(host, port).close()
    except OSError:
        return False
    return True


def digest_of_weights(archive: bytes) -> str:
    digest = hashlib.sha256()

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode() + item[()].tobytes())

    with (
        zipfile.ZipFile(io.BytesIO(archive)) as members,
        h5py.File(io.BytesIO(members.read("model.weights.h5"))) as file,
    ):
        file.visititems(add)
    return digest.hexdigest()


def is_node(host: Machine) -> bool:
    """Whether it says that it is a node, and nothing else since."""
    return host.said().rstrip().endswith("Ctrl-C ends it.")


def does(host: Machine, work: str) -> bool:
    """Whether a process of Ray's is at work there: `RayTrainWorker`, or the name of a task."""
    return any(f"ray::{work}" in command_of(process) for process in host.processes())
