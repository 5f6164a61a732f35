"""Whatever a decoder does to its process costs one file."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from tasks.pictures import ImageError, apart, decode_image
from tasks.pictures.apart import Helpers
from tests.fuzz.corpus import encode, photo

SOUND = encode(photo(), "JPEG")


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> Helpers:
    monkeypatch.setattr(apart, "HELPER", "tests.tasks.pictures.failing_helper")
    return Helpers()


@pytest.mark.parametrize(
    ("failure", "reason"), [(b"CRASH", "SIGSEGV"), (b"HANG", "took over"), (b"HUNGER", "of memory")]
)
def test_a_decoder_that_fails_costs_its_file_alone(helpers: Helpers, failure: bytes, reason: str):
    with pytest.raises(ImageError, match=reason) as error:
        helpers.decode(SOUND + failure, 60)
    assert error.value.status == "corrupt"
    assert np.array_equal(helpers.decode(SOUND, 60).pixels, decode_image(SOUND, 60).pixels)


def test_a_helper_that_is_killed_from_outside_says_nothing_about_its_file(helpers: Helpers):
    helpers.decode(SOUND, 60)
    helper = helpers.idle.get()
    helper.process.kill()
    helpers.idle.put(helper)
    assert helpers.decode(SOUND, 60).width == photo().width


def test_a_helper_starts_where_memory_is_limited_already():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30));"
        "from tasks.pictures import decode_image; from tests.fuzz.corpus import encode, photo;"
        "print(decode_image(encode(photo(), 'BMP'), 60).width)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == str(photo().width), done.stderr


def test_threads_have_helpers_of_their_own(helpers: Helpers):
    widths = []
    threads = [
        threading.Thread(target=lambda: widths.append(helpers.decode(SOUND, 60).width)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert widths == [photo().width] * 3
