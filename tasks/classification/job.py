"""What a bulk classification has to do: its files, cut into numbered parts that later runs keep."""

import fnmatch
import logging
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from tasks import storage
from tasks.classification.file_list import STANDARD_INPUT, files_in_list
from tasks.classification.listing import Listing
from tasks.classification.output import (
    check_images,
    check_ours,
    check_vanished,
    is_whole,
    remove_foreign_parts,
)
from tasks.classification.plan import (
    MAX_PARTITIONS,
    Plan,
    digest,
    part_key,
    part_numbers,
    read_parts,
    read_plan,
    write_plan,
)
from tasks.classification.scratch import scratch_database
from tasks.dataset import DECODER_VERSION
from tasks.errors import InputError
from tasks.evaluation import least_confidences
from tasks.networks import ModelVersion
from tasks.parameters import Classification
from tasks.storage import FileEntry, LeftOut, walk
from tasks.task_runs import task

IMAGES = "{images}"
LONGEST_PARTITION = 16  # parts, where MAX_PARTITIONS allows: progress is told as partitions end
PARTS_IN_MEMORY = 256  # on average; of 2,048 files each of some 230 bytes, twice that is 240 MB

log = logging.getLogger("darkroom")


@dataclass(frozen=True)
class Job:
    """One bulk classification: the folder of images, the folder of its output, model, options and plan.

    sure_from: the confidence of each of the model's classes below which a row is `unsure`.
    """

    images_url: str
    output: str
    model: ModelVersion
    options: Classification
    plan: Plan
    sure_from: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """Stands in the job's _SUCCESS: an output with another key is not this job's."""
        return digest([self.plan.key, self.options.copy_into, self.options.symlink_into])


@dataclass(frozen=True)
class Partition:
    """The parts of a job that one task run classifies: row groups `start` to `stop` - 1 of the manifest."""

    job: Job
    index: int
    start: int
    stop: int


@dataclass(frozen=True)
class Part:
    """One part of a job. number: names its file in the output. key: digest of the number and the files."""

    job: Job
    number: int
    files: tuple[FileEntry, ...]
    key: str

    @property
    def url(self) -> str:
        return storage.part_url(self.job.output, self.number, self.job.options.format)

    @property
    def marker_url(self) -> str:
        return storage.marker_url(self.job.output, self.number)


def locate(images: str, output: str, options: Classification) -> tuple[str, str, Classification]:
    """The same arguments with all paths made absolute, since workers run in other folders.

    IMAGES in the output stands for the name of the image folder: each folder can have an output of its own.
    Raises InputError when images and output lie inside each other, or the output is the folder of something
    else, or cannot be written.
    """
    images_url = storage.absolute(images)
    output = storage.absolute(output.replace(IMAGES, storage.name_of(images_url)))
    storage.check_apart(images_url, output, "output")
    storage.check_writable(output, "output")
    check_ours(output)
    folders = {"copy_into": options.copy_into, "symlink_into": options.symlink_into}
    if options.files != STANDARD_INPUT:
        folders["files"] = options.files
    absolute_folders = {name: storage.absolute(folder) for name, folder in folders.items() if folder}
    return images_url, output, options.model_copy(update=absolute_folders)


@task(task_run_name="list")
def plan_job(images_url: str, output: str, model: ModelVersion, options: Classification) -> Job:
    """List a folder and write the manifest of its parts to the output; see `plan_folder`."""
    job, words = plan_folder(images_url, output, model, options)
    log.info("%s", words)
    tell_unsure(job)
    return job


def plan_folder(
    images_url: str, output: str, model: ModelVersion, options: Classification
) -> tuple[Job, str]:
    """A folder's job, its manifest written to the output, and how the folder was read in one line.

    Parts of an earlier job of the same model, options and folder keep their unchanged files; new and changed
    files form new parts. Memory does not grow with the number of files.

    Raises InputError where no file is to be classified, or too many rows of the output would be dropped.
    """
    least = check_options(model, options)
    made_by = digest(
        [DECODER_VERSION, images_url, model.sha256, model.temperature, model.classes, *options.rows_depend_on]
    )
    plan_url, left_out = storage.plan_url(output), LeftOut()
    earlier_plan = read_plan(plan_url)
    is_replaced = check_images(output, earlier_plan, images_url, options)
    with scratch_database() as database:
        listing = Listing(database)
        is_included = path_filter(options)
        found = files_in_list(images_url, options.files) if options.files else walk(images_url, left_out)
        file_count = listing.add(file for file in found if is_included(file.path))
        if not file_count:
            raise InputError(
                f"`images` must contain image files. Received an empty folder: {images_url!r}"
                + (", or none that `include` and `exclude` let pass" if options.chooses else "")
                + (f"; left out: {left_out}." if left_out else ".")
            )
        if earlier_plan and not storage.unless_broken(partial(add_earlier, listing, plan_url), plan_url):
            earlier_plan = None
        check_vanished(listing, is_included, images_url, 1.0 if is_replaced else options.max_vanished_share)
        is_finished = earlier_plan is not None and is_finished_plan(output, earlier_plan)
        plan = write_plan(plan_url, listing, file_count, made_by, images_url, earlier_plan, is_finished)
    words = f"Listed {file_count:,} files in {images_url}, parts: {plan.parts}; left out: {left_out}"
    return Job(images_url, output, model, options, plan, least), words


def count_finished(output: str) -> int:
    """How many files the rows of a finished output are of; 0 for one that is not finished."""
    plan = read_plan(storage.plan_url(output))
    return plan.files if plan and storage.exists(storage.success_url(output)) else 0


def check_options(model: ModelVersion, options: Classification) -> tuple[float, ...]:
    """The `sure_from` of a job. Raises InputError for a version that lacks a model for the engine, or does
    not know how precise its classes are, where that is asked for.
    """
    if options.engine == "int8":
        model.by_int8()
    return sure_from(model, options)


def sure_from(model: ModelVersion, options: Classification) -> tuple[float, ...]:
    """The confidence from which a label of each class is sure: the higher of what the two options ask.

    Infinite for a class that did not reach `min_precision` on validation. Raises InputError for a version of
    which that is not known.
    """
    least = [0.0] * len(model.classes)
    if options.min_precision:
        record = storage.read_record(storage.version_record_url(model.folder_url))
        if not record.get("thresholds"):
            raise InputError(
                "`min_precision` needs a version that knows how precise its classes are. Received "
                f"{model.version!r} of an older Darkroom: retrain, or give `min_confidence`."
            )
        least = least_confidences(record, options.min_precision)
    return tuple(max(confidence, options.min_confidence) for confidence in least)


def tell_unsure(job: Job) -> None:
    """Warn of classes that no confidence makes sure."""
    pairs = zip(job.model.classes, job.sure_from, strict=True)
    if never := [name for name, confidence in pairs if math.isinf(confidence)]:
        words = "On validation no confidence makes %s of %s classes, such as %s, %g %% precise: all `unsure`"
        precision = 100 * job.options.min_precision
        log.warning(words, len(never), len(job.sure_from), never[0], precision)


def is_finished_plan(output: str, plan: Plan) -> bool:
    """Whether the output was complete by a plan; one of an older Darkroom does not say by which."""
    success = storage.json_unless_broken(storage.success_url(output))
    return success is not None and success.get("plan", plan.key) == plan.key


def add_earlier(listing: Listing, plan_url: str) -> bool:
    listing.add_earlier_parts(read_parts(plan_url))
    return True


def path_filter(options: Classification) -> Callable[[str], bool]:
    """A function that tells whether a path matches `include` (empty: all paths do) but not `exclude`.

    A `*` also matches `/`, so that `*.jpg` holds in every folder and `2026/*` in all below 2026. Upper and
    lower case are alike, and so are the two ways to write an accented letter.
    """
    globs = options.include or ("*",), options.exclude or ("",)
    include, exclude = (
        re.compile("|".join(fnmatch.translate(composed(glob)) for glob in patterns), re.IGNORECASE)
        for patterns in globs
    )

    def is_included(path: str) -> bool:
        path = composed(path)
        return bool(include.match(path)) and not exclude.match(path)

    return is_included


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def partitions(job: Job, concurrency: int = 1) -> list[Partition]:
    """The job cut into partitions; none when its output is complete already.

    An output with unreadable files is not complete: they are tried again; nor is one that has lost a part.
    Parts of other jobs are removed from the output. concurrency: how many partitions the cluster classifies
    at a time.
    """
    success_url = storage.success_url(job.output)
    success = storage.json_unless_broken(success_url) or {}
    if (
        success.get("key") == job.key
        and not success.get("unreadable")
        and is_whole(job.output, part_files(job), success.get("sizes", {}))
    ):
        return []
    storage.remove(success_url)
    remove_foreign_parts(job.output, part_files(job))
    bounds = partition_bounds(job.plan.parts, concurrency)
    return [Partition(job, index, start, stop) for index, (start, stop) in enumerate(pairwise(bounds))]


def part_files(job: Job) -> dict[str, str]:
    """The name of every part's file in the output, and that of its marker."""
    numbers = part_numbers(storage.plan_url(job.output))
    return {
        storage.name_of(storage.part_url("", number, job.options.format)): storage.name_of(
            storage.marker_url("", number)
        )
        for number in numbers
    }


def partition_bounds(parts: int, concurrency: int) -> list[int]:
    """Where to cut `parts` into ranges: [0, ..., parts]. How many at most, says `most_partitions`.

    The first are long, since every task run costs a start; the last are short, so that at the end no
    worker waits long for another. Each takes three quarters of an equal share of the remaining parts, since
    not all workers are equally fast. Source, with whole shares: Polychronopoulos and Kuck 1987, "Guided
    Self-Scheduling".
    """
    most = most_partitions(parts, concurrency)
    longest = max(LONGEST_PARTITION, -(-2 * parts // most))
    bounds = [0]
    while parts_remaining := parts - bounds[-1]:
        length = min(-(-3 * parts_remaining // (4 * concurrency)), longest)
        partitions_remaining = most - len(bounds) + 1
        bounds.append(bounds[-1] + max(length, -(-parts_remaining // partitions_remaining)))
    return bounds


def most_partitions(parts: int, concurrency: int) -> int:
    """MAX_PARTITIONS; more where a cluster would not have work for all, or a task too many files to hold."""
    return max(MAX_PARTITIONS, 2 * concurrency, -(-parts // PARTS_IN_MEMORY))


def parts_of(partition: Partition) -> list[Part]:
    """The parts of one partition, read from the manifest."""
    job = partition.job
    numbered_files = read_parts(storage.plan_url(job.output), range(partition.start, partition.stop))
    return [Part(job, number, tuple(files), part_key(number, files)) for number, files in numbered_files]
