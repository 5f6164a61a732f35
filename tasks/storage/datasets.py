"""The layout of a store's datasets, <store>/datasets/<fingerprint>/ (see `tasks.storage.runs`)."""

from tasks.storage.names import plain_name
from tasks.storage.urls import join


def datasets_url(store: str) -> str:
    return join(store, "datasets")


def dataset_url(store: str, fingerprint: str) -> str:
    return join(datasets_url(store), plain_name(fingerprint, "A dataset"))


def catalogue_url(store: str) -> str:
    """The markers of the store's datasets in one file; made anew where it is lost."""
    return join(store, "catalogue.json")


def network_url(store: str, key: str) -> str:
    """A network that features are computed with, as ONNX."""
    return join(store, "networks", f"{key}.onnx")


def manifest_url(dataset: str) -> str:
    return join(dataset, "manifest.parquet")


def corrections_url(dataset: str) -> str:
    """What people had answered when the dataset was listed; missing where they had answered nothing."""
    return join(dataset, "corrections.parquet")


def label_problems_url(dataset: str) -> str:
    """What in a file of labels could not be used, by kind; missing where there was nothing."""
    return join(dataset, "label_problems.json")


def index_url(dataset: str) -> str:
    return join(dataset, "index.parquet")


def shards_url(dataset: str) -> str:
    return join(dataset, "shards")


def pixels_url(dataset: str, part: int) -> str:
    """The decoded images of a part: uint8 [files, size, size, 3], a .npy file."""
    return join(shards_url(dataset), f"part-{part:05d}.npy")


def side_car_url(dataset: str, part: int) -> str:
    """One row per file of a decoded part: status, size, hashes, looks. Written after the pixels."""
    return join(shards_url(dataset), f"part-{part:05d}.parquet")


def begun_decoding_url(dataset: str, part: int) -> str:
    """Stands while a part is decoded, and after a process that died of it."""
    return join(shards_url(dataset), f"part-{part:05d}.begun")


def features_url(dataset: str, name: str = "") -> str:
    return join(dataset, "features", *([name] if name else []))


def audit_url(dataset: str) -> str:
    return join(dataset, "audit.json")
