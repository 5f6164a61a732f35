"""Where a browser finds what lies in the store or among the predictions."""

import os
from urllib.parse import quote

from tasks.storage.objects import signed
from tasks.storage.urls import absolute, is_local

SIGNED_SECONDS = 7 * 24 * 3600  # the longest S3 allows
SERVED = {"store": "DARKROOM_STORE", "predictions": "DARKROOM_PREDICTIONS"}


def address_of(url: str) -> str | None:
    """The web address of a file: signed on object stores, by the stack's file server on local disks.

    None where neither can be had. A signed address opens for SIGNED_SECONDS, to whoever knows it.
    """
    if not is_local(url):
        return signed(url, SIGNED_SECONDS)
    server = os.environ.get("DARKROOM_FILES_URL")
    for name, variable in SERVED.items():
        root = os.environ.get(variable)
        root = root and absolute(root)
        if server and root and url.startswith(f"{root}/"):
            return f"{server}/{name}/{quote(url.removeprefix(f'{root}/'))}"
    return None


def way_to_overview(store: str) -> str | None:
    """From a run's report to the page over all runs of its store; None where addresses are signed."""
    return "../../index.html" if is_local(store) else None
