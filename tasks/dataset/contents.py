"""Which content a path is of, and which paths a content has, by the newest datasets of a store."""

from dataclasses import dataclass, field

from tasks import storage
from tasks.corrections import is_end
from tasks.dataset.catalogue import read_catalogue


@dataclass(frozen=True)
class Image:
    """A file of a dataset: its path, the hash of its bytes, the label that its folder gives."""

    path: str
    sha256: str
    label: str | None


@dataclass
class Contents:
    """The images that the store's datasets know, of each folder as its newest dataset has them."""

    by_sha256: dict[str, Image] = field(default_factory=dict)
    by_name: dict[str, list[Image]] = field(default_factory=dict)

    def add(self, image: Image) -> None:
        self.by_sha256.setdefault(image.sha256, image)
        self.by_name.setdefault(image.path.rpartition("/")[2], []).append(image)

    def find(self, path: str) -> set[str]:
        """The contents that a path may mean: of the very path, else of those that end as it does.

        Other programs know a longer path, with folders above, or a shorter one.
        """
        images = self.by_name.get(storage.name_of(path), [])
        same = {image.sha256 for image in images if image.path == path}
        return same or {image.sha256 for image in images if is_end(image.path, path)}


def read_contents(store: str) -> Contents:
    contents, roots = Contents(), set()
    for dataset_url, marker in read_catalogue(storage.absolute(store), "").markers.items():
        root = marker.get("root", dataset_url)
        if root not in roots:
            roots.add(root)
            table = storage.table_unless_broken(storage.index_url(dataset_url))
            for row in [] if table is None else table.select(["path", "sha256", "label"]).to_pylist():
                if row["sha256"]:
                    contents.add(Image(row["path"], row["sha256"], row["label"]))
    return contents
