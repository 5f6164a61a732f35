"""A helper with a decoder that fails as the last word of a file says."""

import ctypes
import time

from tasks.pictures import decode, helper

open_picture = decode.open_picture


def failing(data: bytes) -> object:
    if data.endswith(b"CRASH"):
        ctypes.string_at(0)
    if data.endswith(b"HANG"):
        while time.time():
            pass
    if data.endswith(b"HUNGER"):
        bytearray(8 * 2**30)
    return open_picture(data)


if __name__ == "__main__":
    decode.open_picture = failing
    helper.MOST_SECONDS = 1
    helper.main()
