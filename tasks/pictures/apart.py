"""Decodes in processes of their own: what kills one of them costs one file, and none takes more than it may.

A helper is a Python that imports this room alone. It reads files from its standard input and writes pictures
to its standard output, until that input ends, as it does when the process that started it is gone.
"""

import contextlib
import json
import os
import queue
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np

from tasks.pictures.fit import FITS, Fit
from tasks.pictures.outcome import DecodedImage, ImageError, corrupt

ROOT = Path(__file__).resolve().parents[2]
REQUEST = struct.Struct("<QIB")  # bytes of the file, the size wanted, and the number of its fit
MOST_MEMORY = 3 * 2**30  # bytes; a picture of 179 megapixels takes 2 GB and more
MOST_SECONDS = 60  # of processor time; in sum no file may take ten times as long
READY = b"ready\n"
OUT_OF_TIME = (signal.SIGPROF, signal.SIGALRM)
OF_ITS_OWN = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, *OUT_OF_TIME)
HELPER = "tasks.pictures.helper"


class Helpers:
    """Helpers that are idle, and as many new ones as threads decode at once."""

    def __init__(self) -> None:
        self.idle: queue.LifoQueue[Helper] = queue.LifoQueue()

    def decode(self, data: bytes, size_px: int, fit: Fit = "squeeze") -> DecodedImage:
        """Decode a file in a helper. Raises ImageError, also where that dies of the file."""
        try:
            return self.try_once(data, size_px, fit)
        except DiedError as death:
            if -death.exit_status in OF_ITS_OWN:
                raise corrupt(cause_of_death(death.exit_status)) from None
        try:  # it may have been killed from outside, which says nothing about the file
            return self.try_once(data, size_px, fit)
        except DiedError as death:
            raise corrupt(cause_of_death(death.exit_status)) from None

    def try_once(self, data: bytes, size_px: int, fit: Fit) -> DecodedImage:
        try:
            helper = self.idle.get_nowait()
        except queue.Empty:
            helper = Helper()
        try:
            return helper.decode(data, size_px, fit)
        finally:
            if helper.lives:
                self.idle.put(helper)


class DiedError(Exception):
    """A helper died while it decoded. exit_status: as `subprocess` gives it."""

    def __init__(self, exit_status: int):
        super().__init__(exit_status)
        self.exit_status = exit_status


class Helper:
    """One process that decodes."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", HELPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.lives = True
        if self.output.readline() != READY:
            raise OSError(f"A process that decodes images does not start: {self.end()}.")

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout
        return self.process.stdout

    def decode(self, data: bytes, size_px: int, fit: Fit) -> DecodedImage:
        """Raises ImageError for the file, and DiedError where the helper died of it."""
        assert self.process.stdin
        try:
            self.process.stdin.write(REQUEST.pack(len(data), size_px, FITS.index(fit)) + data)
            self.process.stdin.flush()
            answer = json.loads(self.output.readline())
            if "reason" in answer:
                raise ImageError(answer["status"], answer["reason"])
            pixels = np.frombuffer(bytearray(self.output.read(size_px * size_px * 3)), np.uint8)
            return DecodedImage(pixels.reshape(size_px, size_px, 3), answer["width"], answer["height"])
        except ImageError:
            raise
        except (OSError, ValueError):
            raise DiedError(self.end()) from None
        except BaseException:  # such as an interrupt: what it answers later belongs to no file
            self.process.kill()
            self.end()
            raise

    def end(self) -> int:
        """Wait for a process that is ending. Returns its exit status."""
        self.lives = False
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        return self.process.wait()


def cause_of_death(exit_status: int) -> str:
    if -exit_status in OUT_OF_TIME:
        return f"decoding took over {MOST_SECONDS} s"
    name = signal.Signals(-exit_status).name if exit_status < 0 else f"exit status {exit_status}"
    return f"the decoder crashed on it ({name})"
