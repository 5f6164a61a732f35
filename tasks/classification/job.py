"""What a bulk classification has to do: its files, cut into numbered parts that later runs keep."""

import fnmatch
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import storage
from tasks.classification.listing import Listing, new_listing
from tasks.dataset import DECODER_VERSION
from tasks.errors import InputError
from tasks.networks import ModelVersion
from tasks.parameters import Classification
from tasks.storage import FileEntry, walk

SMALLEST_PART, LARGEST_PART = 256, 2048  # files: what a kill loses at most
MAX_PARTITIONS = 256
LONGEST_PARTITION = 16  # parts, where MAX_PARTITIONS allows: progress is told as partitions end
PLAN_KEY = b"darkroom"  # of the manifest's Parquet metadata

log = logging.getLogger("darkroom")

SCHEMA = pa.schema({"path": pa.string(), "bytes": pa.int64(), "mark": pa.string(), "part": pa.int32()})


@dataclass(frozen=True)
class Plan:
    """The facts of a job that stand, as JSON, in the metadata of its manifest.

    made_by: digest of everything but the files that the rows depend on: model, options, decoder, folder.
    series: names a chain of jobs in which parts only lose files and new parts are added, so that rows of
    one job may be kept by the next. next_part: the first part number not yet used in the series.
    key: digest of the series and all parts.
    """

    made_by: str
    series: str
    next_part: int
    files: int
    parts: int
    key: str


@dataclass(frozen=True)
class Job:
    """One bulk classification: the folder of images, the folder of its output, model, options and plan."""

    images_url: str
    output: str
    model: ModelVersion
    options: Classification
    plan: Plan

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

    Raises InputError when images and output lie inside each other or the output cannot be written.
    """
    images_url, output = storage.absolute(images), storage.absolute(output)
    storage.check_apart(images_url, output, "output")
    storage.check_writable(output, "output")
    folders = {"copy_into": options.copy_into, "symlink_into": options.symlink_into}
    absolute_folders = {name: storage.absolute(folder) for name, folder in folders.items() if folder}
    return images_url, output, options.model_copy(update=absolute_folders)


@task(cache_policy=NO_CACHE, task_run_name="list")
def plan_job(images_url: str, output: str, model: ModelVersion, options: Classification) -> Job:
    """List a folder and write the manifest of its parts to the output.

    Parts of an earlier job of the same model, options and folder keep their unchanged files; new and changed
    files form new parts. Memory does not grow with the number of files.

    Raises InputError where no file is to be classified.
    """
    made_by = digest(
        [DECODER_VERSION, images_url, model.sha256, model.temperature, model.classes, *options.rows_depend_on]
    )
    with new_listing() as listing:
        is_included = path_filter(options)
        file_count = listing.add(file for file in walk(images_url) if is_included(file.path))
        if not file_count:
            raise InputError(
                f"`images` must contain image files. Received an empty folder: {images_url!r}"
                + (", or none that `include` and `exclude` let pass." if options.chooses else ".")
            )
        plan = write_plan(storage.plan_url(output), listing, file_count, made_by)
    log.info("Listed %s files in %s, parts: %s", f"{plan.files:,}", images_url, f"{plan.parts:,}")
    return Job(images_url, output, model, options, plan)


def path_filter(options: Classification) -> Callable[[str], bool]:
    """A function that tells whether a path matches `include` (empty: all paths do) but not `exclude`.

    A `*` also matches `/`, so that `*.jpg` holds in every folder and `2026/*` in all below 2026.
    """
    globs = options.include or ("*",), options.exclude or ("",)
    include, exclude = (re.compile("|".join(map(fnmatch.translate, patterns))) for patterns in globs)
    return lambda path: bool(include.match(path)) and not exclude.match(path)


def digest(values: Sequence[Any]) -> str:
    return storage.sha256(json.dumps(values).encode())[:32]


def write_plan(url: str, listing: Listing, file_count: int, made_by: str) -> Plan:
    """Write the manifest, one row group a part, continuing the series of the one at `url` if it can."""
    earlier_plan = read_plan(url)
    if earlier_plan and earlier_plan.made_by == made_by:
        listing.add_earlier_parts(read_parts(url, range(earlier_plan.parts)))
        series, next_part = earlier_plan.series, earlier_plan.next_part
    else:
        series, next_part = "", 0
    files_per_part = min(max(-(-file_count // MAX_PARTITIONS), SMALLEST_PART), LARGEST_PART)
    keys = []
    with storage.committing(url) as path, pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for number, files in listing.unchanged_parts():
            keys.append(write_part(writer, number, files))
        new_files = listing.new_files()
        while files := list(islice(new_files, files_per_part)):
            keys.append(write_part(writer, next_part, files))
            next_part += 1
        series = series or digest([made_by, *keys])
        plan = Plan(made_by, series, next_part, file_count, len(keys), digest([series, *keys]))
        writer.add_key_value_metadata(
            {PLAN_KEY: json.dumps(storage.with_schema_version(asdict(plan))).encode()}
        )
    return plan


def write_part(writer: pq.ParquetWriter, number: int, files: Sequence[FileEntry]) -> str:
    """Write a part as the manifest's next row group. Returns its key."""
    rows = [{"path": file.path, "bytes": file.bytes, "mark": file.mark, "part": number} for file in files]
    writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), row_group_size=len(rows))
    return part_key(number, files)


def part_key(number: int, files: Iterable[FileEntry]) -> str:
    return digest([number, *([file.path, file.bytes, file.mark] for file in files)])


def read_plan(url: str) -> Plan | None:
    """The plan in the metadata of the manifest at `url`; None where there is no manifest or no plan in it."""
    if not storage.exists(url):
        return None
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        plan = (pq.read_metadata(file).metadata or {}).get(PLAN_KEY)
        if not plan:
            return None
    record = json.loads(plan)
    storage.check_schema_version(record, url)
    return storage.from_record(Plan, record)


def read_parts(url: str, row_groups: Iterable[int]) -> Iterator[tuple[int, list[FileEntry]]]:
    """Yield the number and the files of some of a manifest's parts."""
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        manifest = pq.ParquetFile(file)
        for row_group in row_groups:
            rows = manifest.read_row_group(row_group).to_pylist()
            yield rows[0]["part"], [FileEntry(row["path"], row["bytes"], row["mark"]) for row in rows]


def partitions(job: Job, concurrency: int = 1) -> list[Partition]:
    """The job cut into at most MAX_PARTITIONS partitions; none when its output is complete already.

    An output with unreadable files is not complete: they are tried again. Parts of other jobs are removed
    from the output. concurrency: how many partitions the cluster classifies at a time.
    """
    success_url = storage.success_url(job.output)
    if storage.exists(success_url):
        success = storage.read_json(success_url)
        if success["key"] == job.key and not success.get("unreadable"):
            return []
        storage.remove(success_url)
    remove_foreign_parts(job)
    bounds = partition_bounds(job.plan.parts, concurrency)
    return [Partition(job, index, start, stop) for index, (start, stop) in enumerate(pairwise(bounds))]


def partition_bounds(parts: int, concurrency: int) -> list[int]:
    """Where to cut `parts` into at most MAX_PARTITIONS ranges: [0, ..., parts].

    The first are long, since every task run costs a start; the last are short, so that at the end no
    worker waits long for another. Each takes three quarters of an equal share of the remaining parts, since
    not all workers are equally fast. Source, with whole shares: Polychronopoulos and Kuck 1987, "Guided
    Self-Scheduling".
    """
    longest = max(LONGEST_PARTITION, -(-2 * parts // MAX_PARTITIONS))
    bounds = [0]
    while parts_remaining := parts - bounds[-1]:
        length = min(-(-3 * parts_remaining // (4 * concurrency)), longest)
        partitions_remaining = MAX_PARTITIONS - len(bounds) + 1
        bounds.append(bounds[-1] + max(length, -(-parts_remaining // partitions_remaining)))
    return bounds


def remove_foreign_parts(job: Job) -> None:
    """Remove parts and markers that are not of this job, and what killed writers left half-written."""
    storage.sweep(job.output)
    numbers = set(part_numbers(job))
    for name in storage.names(job.output):
        match = storage.PART_NAME.fullmatch(name)
        if match and not (int(match[1]) in numbers and match[2] == job.options.format):
            storage.remove(storage.join(job.output, name))
    for name in storage.names(storage.markers_url(job.output)):
        match = storage.PART_NAME.fullmatch(name)
        if match and int(match[1]) not in numbers:
            storage.remove(storage.join(storage.markers_url(job.output), name))


def part_numbers(job: Job) -> list[int]:
    """The number of every part of the job, in order, from the manifest's column statistics."""
    fs, path = storage.filesystem(storage.plan_url(job.output))
    column = SCHEMA.get_field_index("part")
    with fs.open(path, "rb") as file:
        manifest = pq.read_metadata(file)
        return [
            manifest.row_group(row_group).column(column).statistics.min
            for row_group in range(manifest.num_row_groups)
        ]


def parts_of(partition: Partition) -> list[Part]:
    """The parts of one partition, read from the manifest."""
    job = partition.job
    numbered_files = read_parts(storage.plan_url(job.output), range(partition.start, partition.stop))
    return [Part(job, number, tuple(files), part_key(number, files)) for number, files in numbered_files]
