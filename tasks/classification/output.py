"""Guards what lies in an output: files of other people, rows of other images, rows of files now gone."""

import logging
from collections.abc import Callable, Mapping

from tasks import storage
from tasks.classification.listing import Listing
from tasks.classification.plan import Plan, read_plan
from tasks.errors import InputError
from tasks.parameters import Classification

NAMED = 3  # files, in one line

log = logging.getLogger("darkroom")


def check_ours(output: str) -> None:
    """Raise InputError when the folder holds anything, but nothing that tells of a bulk classification."""
    names = storage.names(output)
    if not names or names == [storage.name_of(storage.lock_url(output))]:
        return
    if read_plan(storage.plan_url(output)) is None and not has_markers(output):
        raise InputError(
            "`output` must be a new or empty folder, or one that `classify` wrote. "
            f"Received {output!r} with {', '.join(names[:NAMED])} in it: give another folder."
        )


def has_markers(output: str) -> bool:
    """Whether a part was committed to the output, so that it is ours even where its manifest is broken."""
    for name in storage.names(storage.markers_url(output)):
        if storage.PART_NAME.fullmatch(name):
            marker = storage.json_unless_broken(storage.join(storage.markers_url(output), name))
            if marker and {"series", "key"} <= marker.keys():
                return True
    return False


def check_images(output: str, earlier_plan: Plan | None, images_url: str, options: Classification) -> bool:
    """Whether the output holds rows of another folder of images, which these are to replace.

    Raises InputError where it does and the option `replace` does not allow it.
    """
    if earlier_plan is None:
        return False
    summary = storage.json_unless_broken(storage.summary_url(output)) or {}
    earlier_root = earlier_plan.root or summary.get("root", "")
    if not earlier_root or earlier_root == images_url:
        return False
    if not options.replace:
        raise InputError(
            f"`output` must be that of the same images. Received {images_url!r} for {output!r}, which holds "
            f"{earlier_plan.files:,} rows of {earlier_root!r}: give another output, or pass `replace` to "
            "drop those rows."
        )
    return True


def check_vanished(
    listing: Listing, is_included: Callable[[str], bool], images_url: str, max_share: float
) -> None:
    """Tell how many rows are dropped since their files have gone; raise InputError above a share.

    Files that the options or the rules of listing leave out now have not gone.
    """
    rows, gone = 0, 0
    for path, is_there in listing.earlier_paths():
        if is_included(path) and not storage.is_left_out(path):
            rows, gone = rows + 1, gone + (not is_there)
    if gone > max_share * rows:
        raise InputError(
            f"At most {max_share:.0%} of the rows of an output may be dropped because their files have gone "
            f"(`max_vanished_share`). Received {gone:,} of {rows:,} in {images_url!r}: is all of it mounted? "
            "If they are meant to be gone, pass `max_vanished_share` 1."
        )
    if gone:
        log.warning("%s of %s rows are dropped: their files have gone", f"{gone:,}", f"{rows:,}")


def is_whole(output: str, files: Mapping[str, str], sizes_committed: Mapping[str, int]) -> bool:
    """Whether a complete output still has all of its files; lost and cut ones are told of and made again.

    files: the name of every part, and that of its marker. sizes_committed: of parts, as far as it is known.
    """
    sizes = storage.sizes(output)
    markers = storage.sizes(storage.markers_url(output))
    results = [storage.name_of(url(output)) for url in (storage.summary_url, storage.report_url)]
    lost = [name for name in (*files, *results) if not sizes.get(name)]
    lost += [name for name, size in sizes_committed.items() if name in files and sizes.get(name) != size]
    lost += [marker for marker in files.values() if not markers.get(marker)]
    if lost:
        log.warning("Lost from %s, and made again: %s", output, ", ".join(lost[:NAMED]))
    return not lost


def remove_foreign_parts(output: str, files: Mapping[str, str]) -> None:
    """Remove markers and parts of earlier jobs, in this order, and what killed writers left half-written."""
    storage.sweep(output)
    for folder, known_names in ((storage.markers_url(output), set(files.values())), (output, set(files))):
        for name in storage.names(folder):
            if storage.PART_NAME.fullmatch(name) and name not in known_names:
                storage.remove(storage.join(folder, name))
