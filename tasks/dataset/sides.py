"""On which side each image was in the last dataset that was drawn alike, so that none changes sides."""

import json
from dataclasses import asdict
from typing import Any

from tasks import storage
from tasks.dataset.catalogue import read_catalogue
from tasks.dataset.records import Manifest

NEVER_DRAWN = "leaked"


def drawing_key(manifest: Manifest) -> str:
    """Names how the splits of a dataset are drawn."""
    options: dict[str, Any] = asdict(manifest.drawing) | {"val_share": manifest.val_share}
    return json.dumps(options, sort_keys=True)


def earlier_sides(manifest: Manifest) -> dict[str, str]:
    """The split of each content, by sha256, in the newest other dataset of the folder that was drawn alike.

    What was left out there as a copy was a training image. The latest groups as test are drawn anew.
    """
    key = drawing_key(manifest)
    catalogue = read_catalogue(storage.store_of(manifest.dataset_url), manifest.images_url)
    for url, marker in catalogue.markers.items():
        is_alike = marker.get("drawing") == key and marker.get("root") == manifest.images_url
        if is_alike and url != manifest.dataset_url:
            table = storage.table_unless_broken(storage.index_url(url), ["sha256", "split", "status"])
            rows = [] if table is None else table.to_pylist()
            return {
                row["sha256"]: "train" if row["split"] == NEVER_DRAWN else row["split"]
                for row in rows
                if row["status"] == "ok"
            }
    return {}
