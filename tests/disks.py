"""Disks that fill up, or that can only be read from one moment to the next."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.processes import until

LARGE = "1g"


class Disk:
    """A disk in memory, mounted at a folder."""

    def __init__(self, folder: Path, size: str):
        self.folder = folder
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a disk can only be mounted by root")

    def fill(self) -> None:
        """Have it take no more; what writes meanwhile makes it larger."""
        until(lambda: self._mount_again(f"size={max(shutil.disk_usage(self.folder).used, 4096)}"))

    def protect(self) -> None:
        """Have it be read only: as soon as nothing is open to be written."""
        until(lambda: self._mount_again("ro"))

    def mend(self) -> None:
        assert self._mount_again(f"rw,size={LARGE}")

    def _mount_again(self, options: str) -> bool:
        command = ["mount", "-o", f"remount,{options}", str(self.folder)]
        return subprocess.run(command, capture_output=True).returncode == 0

    def end(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@contextmanager
def mounted(folder: Path, size: str = LARGE) -> Iterator[Disk]:
    folder.mkdir()
    disk = Disk(folder, size)
    try:
        yield disk
    finally:
        disk.end()
