"""Removes folders piece by piece, so that a kill in between leaves nothing that passes for a whole one."""

import os

from tasks.storage.objects import remove
from tasks.storage.runs import run_record_url, success_url, summary_url, version_record_url

MARKERS = (success_url, version_record_url, summary_url, run_record_url)


def remove_folder(url: str) -> None:
    """Remove a dataset, a run or a version; first what says that it is whole or can be gone on with."""
    for marker_url in () if os.path.islink(url) else MARKERS:  # of a link the link alone
        remove(marker_url(url))
    remove(url)
