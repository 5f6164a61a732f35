"""`python -m tests.fuzz SECONDS [SEED]`: damages sound files and decodes them, in processes that are watched.

A find is a file that ends the process that decodes or its helper, raises anything but ImageError, or takes
over SLOW_SECONDS. Finds are written to `fuzz-finds/`. It also counts, for each format, which mutants pass as
pictures that look otherwise.
"""

import json
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tasks.pictures import ImageError, decode_image
from tests.fuzz.corpus import corpus
from tests.fuzz.mutate import mutated

FINDS = Path("fuzz-finds")
ROUND_SECONDS, SLOW_SECONDS = 60, 10
MOST_MEMORY = 2 * 2**30
SIZE_PX = 60
UNLIKE = 16.0  # mean difference of brightness, of 255


def main(seconds: float, seed: int) -> None:
    FINDS.mkdir(exist_ok=True)
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        command = [sys.executable, "-m", "tests.fuzz", "round", str(min(left, ROUND_SECONDS)), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            counts["processes ended"] += 1
            print(done.stderr[-2000:])
            (FINDS / "now").rename(FINDS / f"{seed}-ended-{done.returncode}")
        else:
            counts.update(json.loads(done.stdout.splitlines()[-1]))
        seed += 1
    print(json.dumps(dict(sorted(counts.items())), indent=1))


def fuzz_round(seconds: float, seed: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    chance = random.Random(seed)
    sound = corpus()
    pictures = {name: decode_image(data, SIZE_PX).pixels for name, data in sound.items()}
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        name = chance.choice(list(sound))
        mutant = mutated(sound[name], chance)
        (FINDS / "now").write_bytes(mutant)
        started = time.monotonic()
        outcome = outcome_of(mutant, pictures[name])
        counts[f"{name.split()[0]} {outcome}"] += 1
        if "find" in outcome or time.monotonic() - started > SLOW_SECONDS:
            counts["finds"] += 1
            (FINDS / f"{seed}-{counts['finds']}-{name.replace(' ', '-')}").write_bytes(mutant)
    print(json.dumps(counts))


def outcome_of(mutant: bytes, sound: np.ndarray) -> str:
    try:
        pixels = decode_image(mutant, SIZE_PX).pixels
    except ImageError as error:
        survived = any(words in error.reason for words in ("crashed", "took over", "needs over"))
        return f"find: {error.reason}" if survived else error.status
    except Exception as error:
        return f"find: {error!r}"
    return "ok" if np.abs(pixels.astype(int) - sound).mean() < UNLIKE else "ok, unlike"


if __name__ == "__main__":
    first, *rest = sys.argv[1:]
    if first == "round":
        fuzz_round(float(rest[0]), int(rest[1]))
    else:
        main(float(first), int(rest[0]) if rest else 0)
