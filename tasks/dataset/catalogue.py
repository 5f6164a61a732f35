"""What the datasets of a store hold, so that a new one takes over what any of them has made already."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tasks import storage
from tasks.ahead import map_ahead

READERS, MOST_WAITING = 8, 256

Marker = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a part lies: its dataset, the number it has there, and the folder its images came from."""

    dataset_url: str
    number: int
    images_url: str


@dataclass(frozen=True)
class Catalogue:
    """The markers of a store's complete datasets by URL: those of one folder first, then the newest."""

    markers: dict[str, Marker]

    def places(self) -> dict[str, list[Place]]:
        """Where each part lies, by its key and by the digest of its pixels, in the order of the datasets."""
        places: dict[str, list[Place]] = {}
        for url, marker in self.markers.items():
            for names in (marker["parts"], marker.get("pixels", [])):
                for number, name in enumerate(names):
                    places.setdefault(name, []).append(Place(url, number, marker.get("root", "")))
        return places


def read_catalogue(store: str, images_url: str) -> Catalogue:
    """The catalogue of a store; datasets of the folder `images_url` come first.

    Whatever it says may be out of date: `clean` may remove a dataset at any time, and a dataset of which
    something was lost is made whole, perhaps in other parts.
    """
    markers = sorted(
        read_markers(store).items(),
        key=lambda item: (item[1].get("root") == images_url, item[1]["committed"]),
        reverse=True,
    )
    return Catalogue({storage.dataset_url(store, name): marker for name, marker in markers})


def places_of_parts(dataset_url: str, images_url: str) -> dict[int, list[Place]]:
    """Where other datasets of the store hold each part of a committed one, or a part of the same pixels."""
    catalogue = read_catalogue(storage.store_of(dataset_url), images_url)
    places, marker = catalogue.places(), catalogue.markers.get(dataset_url, {"parts": []})
    names = zip_longest(marker["parts"], marker.get("pixels", []), fillvalue="")
    return {
        part: [
            place
            for name in names_of_part
            for place in places.get(name, ())
            if place.dataset_url != dataset_url
        ]
        for part, names_of_part in enumerate(names)
    }


def read_markers(store: str, but: str = "") -> dict[str, Marker]:
    """The marker of each complete dataset by its name.

    Markers that were read once are kept together in one file. So a thousand datasets cost one listing and
    one read, not a thousand. but: the name of a dataset whose marker is read anew.
    """
    url = storage.catalogue_url(store)
    known_markers = storage.unless_broken(lambda: dict(storage.read_record(url)["datasets"]), url) or {}
    names = storage.names(storage.datasets_url(store))
    markers = {
        name: known_markers[name] for name in names if name != but and is_marker(known_markers.get(name))
    }
    markers |= _new_markers(store, [name for name in names if name not in markers])
    if markers != known_markers:
        storage.write_record(url, {"datasets": markers})
    return markers


def _new_markers(store: str, names: list[str]) -> Iterator[tuple[str, Marker]]:
    urls = [storage.dataset_url(store, name) for name in names]
    for name, marker in zip(names, map_ahead(success_of, urls, READERS, MOST_WAITING), strict=True):
        if marker:
            yield name, marker


def enter(dataset_url: str) -> None:
    """Enter a dataset that was committed into the catalogue of its store."""
    read_markers(storage.store_of(dataset_url), but=storage.name_of(dataset_url))


def success_of(dataset_url: str) -> Marker | None:
    """What the marker of a complete dataset says; None where there is none, or a broken one."""
    marker = storage.json_unless_broken(storage.success_url(dataset_url))
    return marker if is_marker(marker) else None


def is_marker(record: Any) -> bool:
    return isinstance(record, dict) and {"size_px", "decoder", "committed", "parts"} <= record.keys()
