"""Machines that are namespaces: each has addresses, processes, temporary folder and shared memory of its own.

They hang on one switch that leads nowhere else. All of it ends with this process, however that ends: each
machine's first process reads from a pipe that only this one holds open.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent.parent
NETWORK = "10.0.0"
BOOT = """
set -e
mount -t tmpfs machine "$1"
chmod 1777 "$1"
name=$1 && shift
for kept in "$@"; do
    if [ "${kept#/tmp/}" != "$kept" ]; then
        mkdir -p "$name/${kept#/tmp/}"
        mount --bind "$kept" "$name/${kept#/tmp/}"
    fi
done
mount --rbind "$name" /tmp
mount -t tmpfs machine /dev/shm
mount --bind /dev/null /etc/resolv.conf
basename "$name" > /proc/sys/kernel/hostname
echo up
exec cat > /dev/null
"""  # no init: nobody reaps what its parents leave
NO_MEMORY = r"""
set -e
sed -E 's/^(MemFree|MemAvailable|Buffers|Cached|SReclaimable):.*/\1: 0 kB/' /proc/meminfo > /dev/shm/meminfo
mount --bind /dev/shm/meminfo /proc/meminfo
"""
EVERYTHING = ("--net", "--pid", "--mount", "--ipc", "--uts")


def why_not() -> str:
    """Why machines cannot be made here; empty where they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    missing = [tool for tool in ("ip", "unshare", "nsenter") if not shutil.which(tool)]
    if missing:
        return f"needs {' and '.join(missing)} (iproute2, util-linux)"
    probe = subprocess.run(["unshare", *EVERYTHING, "--fork", "true"], capture_output=True, text=True)
    return f"namespaces are forbidden here: {probe.stderr.strip()}" if probe.returncode else ""


class Space:
    """Namespaces, and the first process in them."""

    def __init__(self, kinds: Sequence[str], command: Sequence[str]):
        self._unshare = subprocess.Popen(
            ["unshare", *kinds, "--fork", "--kill-child", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._unshare.stdout.readline() == "up\n"
        [first] = psutil.Process(self._unshare.pid).children()
        self.pid = first.pid

    def enter(self, *kinds: str) -> list[str]:
        """A command that carries out what follows it in there."""
        return ["nsenter", "--target", str(self.pid), *kinds, "--"]

    def ip(self, *arguments: str) -> None:
        subprocess.run([*self.enter("--net"), "ip", *arguments], check=True)

    def end(self) -> None:
        self._unshare.kill()
        self._unshare.wait()


class Switch(Space):
    def __init__(self):
        super().__init__(["--net"], ["sh", "-c", "echo up; exec cat > /dev/null"])
        self.ip("link", "add", "switch", "type", "bridge")
        self.ip("link", "set", "switch", "up")


class Machine(Space):
    """A machine on a switch. Its disk is a folder that outlasts it."""

    def __init__(self, name: str, number: int, switch: Switch, disk: Path):
        self.name, self.address, self.disk = name, f"{NETWORK}.{number}", disk / name
        self._switch, self._number = switch, number
        self._mount = disk / "mounts" / name
        for folder in (self.disk, self._mount):
            folder.mkdir(parents=True, exist_ok=True)
        (self.disk / "log").touch()
        self.boot()

    def boot(self) -> None:
        kept = [str(ROOT), str(self.disk), sys.prefix, sys.base_prefix]
        space = [*EVERYTHING, "--mount-proc"]
        super().__init__(space, ["sh", "-c", BOOT, "boot", str(self._mount), *kept])
        self._switch.ip(
            *("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        )
        self._switch.ip("link", "set", self.name, "master", "switch", "up")
        self.ip("link", "set", "lo", "up")
        self.ip("address", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        self.ip("route", "add", "default", "via", f"{NETWORK}.254")  # which is nowhere

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen:
        ours = ("PREFECT_", "RAY_", "DARKROOM_", "AWS_", "TMPDIR")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        log = (self.disk / "log").open("ab")
        with log:
            return subprocess.Popen(
                [*self.enter(*EVERYTHING), *command],
                env=plain | {"HOME": str(self.disk)} | environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def darkroom(self, *arguments: str, environment: Mapping[str, str]) -> subprocess.Popen:
        return self.start([sys.executable, "-m", "flows.cli", *arguments], environment)

    def said(self) -> str:
        return (self.disk / "log").read_text()

    def forget(self) -> None:
        """Empty the log: what it says from now on is new."""
        (self.disk / "log").write_text("")

    def cut(self) -> None:
        """Cut its link: what it sends, and what is sent to it, is lost without a word."""
        self._switch.ip("link", "set", self.name, "down")

    def mend(self) -> None:
        self._switch.ip("link", "set", self.name, "up")

    def lose_power(self) -> None:
        """End all of it at once; its connections close with no farewell."""
        self._switch.ip("link", "delete", self.name)
        self.end()

    def run_out_of_memory(self) -> None:
        """Have the kernel say so, as far as whoever asks it there is concerned."""
        subprocess.run([*self.enter("--mount", "--pid"), "sh", "-c", NO_MEMORY], check=True)

    def have_memory(self) -> None:
        subprocess.run([*self.enter("--mount", "--pid"), "umount", "/proc/meminfo"], check=True)

    def processes(self) -> list[psutil.Process]:
        """All that runs on it, but its first process."""
        here = os.readlink(f"/proc/{self.pid}/ns/pid")
        return [process for process in psutil.process_iter() if self._space_of(process.pid) == here]

    def _space_of(self, pid: int) -> str:
        try:
            return "" if pid == self.pid else os.readlink(f"/proc/{pid}/ns/pid")
        except OSError:
            return ""


def interrupt(process: subprocess.Popen, number: signal.Signals) -> None:
    """Send a signal to what a machine runs, rather than to the `nsenter` that waits for it."""
    for child in psutil.Process(process.pid).children():
        child.send_signal(number)


@contextmanager
def machines(names: str, disk: Path) -> Iterator[list[Machine]]:
    switch, made = Switch(), []
    try:
        for number, name in enumerate(names, start=1):
            made.append(Machine(name, number, switch, disk))
        yield made
    finally:
        for space in (*made, switch):
            space.end()
