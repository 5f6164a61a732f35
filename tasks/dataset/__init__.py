"""From a folder of labelled images to a committed dataset of decoded ones, which training reads."""

from tasks.dataset.catalogue import places_of_parts
from tasks.dataset.checks import check_places, check_splits, check_trainable
from tasks.dataset.corrections import DROPPED, count_corrections
from tasks.dataset.decode import read_images
from tasks.dataset.duplicates import group_pictures
from tasks.dataset.index import commit_dataset, pixels_of_parts
from tasks.dataset.labelling import export_labels, import_labels
from tasks.dataset.listing import check_labels_file
from tasks.dataset.looks import measure_looks
from tasks.dataset.manifest import list_images, read_folder
from tasks.dataset.parts import decode_part, plan_parts
from tasks.dataset.reader import Split
from tasks.dataset.records import Dataset, Manifest
from tasks.dataset.splits import MOST_LEFT_OUT
from tasks.pictures import (
    DECODER_VERSION,
    MAX_BYTES,
    UNREADABLE,
    ImageError,
    captured_at,
    decode_image,
    resize,
    resize_all,
)

__all__ = [
    "DECODER_VERSION",
    "DROPPED",
    "MAX_BYTES",
    "MOST_LEFT_OUT",
    "UNREADABLE",
    "Dataset",
    "ImageError",
    "Manifest",
    "Split",
    "captured_at",
    "check_labels_file",
    "check_places",
    "check_splits",
    "check_trainable",
    "commit_dataset",
    "count_corrections",
    "decode_image",
    "decode_part",
    "export_labels",
    "group_pictures",
    "import_labels",
    "list_images",
    "measure_looks",
    "pixels_of_parts",
    "places_of_parts",
    "plan_parts",
    "read_folder",
    "read_images",
    "resize",
    "resize_all",
]
