"""Web addresses of files in the store and among the predictions."""

import os
import shlex
from urllib.parse import quote

from tasks.storage.urls import absolute, filesystem, is_local

SIGNED_SECONDS = 7 * 24 * 3600  # the longest S3 allows
REVIEW = "review"  # where the review page lies on the file server
SERVED = {  # name of a folder on the file server, and the variable that says where it lies
    "store": "DARKROOM_STORE",
    "predictions": "DARKROOM_PREDICTIONS",
}


def address_of(url: str) -> str | None:
    """The web address of a file: signed on an object store, of the stack's file server on a local disk.

    None where there is neither. A signed address works for SIGNED_SECONDS, for anyone who has it.
    """
    if not is_local(url):
        return sign_address(url, SIGNED_SECONDS)
    server = os.environ.get("DARKROOM_FILES_URL")
    for name, variable in SERVED.items():
        folder = os.environ.get(variable)
        folder = folder and absolute(folder)
        if server and folder and url.startswith(f"{folder}/"):
            return f"{server}/{name}/{quote(url.removeprefix(f'{folder}/'))}"
    return None


def review_address(store: str, output: str | None = None) -> str | None:
    """The web address of the review page, followed by `#` and the sha256 of a file that of its question.

    None where no stack asks about this store and, if one is given, this output of a classification.
    """
    server = os.environ.get("DARKROOM_FILES_URL")
    for name, url in (("store", store), ("predictions", output)):
        asked = os.environ.get(SERVED[name])
        if url is not None and (not asked or absolute(asked) != absolute(url)):
            return None
    return f"{server}/{REVIEW}/" if server else None


def review_way(store: str, output: str | None = None) -> str:
    """What terminal, report and Markdown name as the next step: where a stack asks a person about a store and
    perhaps a classification, its address; else the command that asks, which works in any folder.
    """
    places = ["--store", absolute(store), *(["--output", absolute(output)] if output else [])]
    return review_address(store, output) or shlex.join(["darkroom", "review", *places])


def sign_address(url: str, seconds: int) -> str | None:
    """A web address from which anyone can download an object; None where the driver cannot make one."""
    fs, path = filesystem(url)
    try:
        return fs.sign(path, expiration=seconds)
    except Exception:  # drivers raise errors of their own where credentials cannot sign
        return None


def way_to_overview(store: str) -> str | None:
    """The link from a run's report to the overview; None on object stores, whose addresses are signed."""
    return "../../index.html" if is_local(store) else None
