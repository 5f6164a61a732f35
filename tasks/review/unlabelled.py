"""Questions about images of an inbox: those the model was least sure of, and a random sample."""

import heapq
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tasks import storage
from tasks.classification import rows_of_output
from tasks.dataset import MAX_BYTES, ImageError, decode_image, group_pictures, read_images
from tasks.review.evidence import Classified, Evidence, Row
from tasks.review.question import Beliefs, Picture, Question, beliefs_of, sure
from tasks.storage import FileEntry

LEAST_SURE = 0.8  # confidence below which an image is worth a question, also where nothing was marked unsure
LINKED = 50  # images that the report of a classification lists as least sure: each has its question
COMPARED_PX = 128


def find_random(evidence: Evidence, share: float) -> Iterator[Question]:
    """Questions about a uniform sample of an output's images, which alone measure the model.

    Drawn anew for each classification that is finished, by a hash: whether an image is in the sample does not
    hang on what was answered before, nor on which parts are there already. The use is the same for all:
    nothing is known to be wrong. share: of all questions. They come from the model's version, which the
    answers measure (see `measured_accuracies`).
    """
    if (classified := evidence.classified) and classified.finished:
        for pictures, row in motifs(classified, drawn_at_random(classified, round(share * evidence.count))):
            reason = f"The model takes it for {row['label']} ({sure(row['confidence'])})."
            yield Question("random", pictures, beliefs_in(row), reason, 0.5, classified.summary["model"])


def find_unsure(evidence: Evidence) -> Iterator[Question]:
    """Questions about the images that the model was least sure of; the use is how likely it is wrong.

    Those marked `unsure`, or of a confidence below LEAST_SURE.
    """
    if classified := evidence.classified:
        for pictures, row in motifs(classified, least_sure(classified, evidence.count + LINKED)):
            reason = f"The model is only {sure(row['confidence'])} sure of {row['label']}."
            use = 1 - row["confidence"]
            yield Question("unsure", pictures, beliefs_in(row), reason, use, classified.output)


def find_unlike(evidence: Evidence) -> Iterator[Question]:
    """Questions about the images that are unlike all that the model was trained on, the least alike first.

    What the model takes them for is not told: it knows nothing like them.
    """
    if classified := evidence.classified:
        for pictures, _ in motifs(classified, least_alike(classified, evidence.count)):
            reason = "It is unlike all images that the model was trained on."
            yield Question("unlike", pictures, (), reason, 0.5, classified.output)


def drawn_at_random(classified: Classified, count: int) -> list[Row]:
    """At most `count` rows of images with a label, in the order of the draw."""

    def draw(path: str) -> str:
        return storage.sha256(f"{classified.finished}\0{path}".encode())

    rows: list[Row] = []
    for table in rows_of_output(classified.output):
        labelled = labelled_rows(table)
        draws = [draw(path) for path in labelled["path"].to_pylist()]
        places = heapq.nsmallest(count, range(len(draws)), key=draws.__getitem__)
        rows += labelled.take(pa.array(places, pa.int64())).to_pylist()
        rows = heapq.nsmallest(count, rows, key=lambda row: draw(row["path"]))
    return rows


def least_sure(classified: Classified, count: int) -> list[Row]:
    """At most `count` rows, least sure first; of the first LINKED even those that are quite sure."""
    rows: list[Row] = []
    for table in rows_of_output(classified.output):
        few = labelled_rows(table).sort_by("confidence").slice(0, count)
        rows = heapq.nsmallest(count, rows + few.to_pylist(), key=lambda row: row["confidence"])
    doubtful = [row for row in rows if row["status"] == "unsure" or row["confidence"] < LEAST_SURE]
    return doubtful if len(doubtful) >= LINKED else rows[:LINKED]


def least_alike(classified: Classified, count: int) -> list[Row]:
    """At most `count` rows of status `unlike`, least alike first."""
    rows: list[Row] = []
    for table in rows_of_output(classified.output):
        few = table.filter(pc.equal(table["status"], "unlike")).sort_by("likeness").slice(0, count)
        rows = heapq.nsmallest(count, rows + few.to_pylist(), key=lambda row: row["likeness"])
    return rows


def labelled_rows(table: pa.Table) -> pa.Table:
    return table.filter(pc.is_valid(table["label"]))


def motifs(classified: Classified, rows: Sequence[Row]) -> Iterator[tuple[tuple[Picture, ...], Row]]:
    """The pictures that show one motif, near copies among these rows, with the first one's row; in order.

    Files that cannot be read any more, or no longer show a picture, are left out.
    """
    root = classified.summary["root"]
    readable, pictures, pixels = [], [], []
    files = [FileEntry(row["path"], MAX_BYTES, "") for row in rows]  # as if large: read one by one
    for row, content in zip(rows, read_images(root, files), strict=True):
        try:
            if isinstance(content, ImageError):
                continue
            pixels.append(decode_image(content, COMPARED_PX).pixels)
        except ImageError:
            continue
        readable.append(row)
        pictures.append(Picture(storage.sha256(content), root, row["path"], predicted=row["label"]))
    groups: dict[int, list[int]] = {}
    for place, group in enumerate(group_pictures(pixels).tolist() if pixels else ()):
        groups.setdefault(group, []).append(place)
    for places in groups.values():
        yield tuple(pictures[place] for place in places), readable[places[0]]


def beliefs_in(row: Row) -> Beliefs:
    """What the model believes of an image; CSV rows tell the likeliest class alone."""
    if isinstance(row["top_labels"], list):
        return beliefs_of(dict(zip(row["top_labels"], row["top_confidences"], strict=True)))
    return ((row["label"], row["confidence"]),)
