"""What a bulk classification has to do: its files cut into numbered parts that stay what they were."""

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
PLAN = b"darkroom"

log = logging.getLogger("darkroom")

SCHEMA = pa.schema({"path": pa.string(), "bytes": pa.int64(), "mark": pa.string(), "part": pa.int32()})


@dataclass(frozen=True)
class Plan:
    """What the manifest of a job says of itself.

    made_by: digest of all but the files that rows depend on. series: the same as long as parts only lose
    files and new parts are added; next_part: the first number not used in it yet. key: digest of it all.
    """

    made_by: str
    series: str
    next_part: int
    files: int
    parts: int
    key: str


@dataclass(frozen=True)
class Job:
    """One bulk classification: what is classified by which model to where."""

    root: str
    output: str
    model: ModelVersion
    options: Classification
    plan: Plan

    @property
    def key(self) -> str:
        """What the _SUCCESS of this job says."""
        return digest([self.plan.key, self.options.copy_into, self.options.symlink_into])


@dataclass(frozen=True)
class Partition:
    """The parts of a job that one task run commits, one after the other: row groups of the manifest."""

    job: Job
    index: int
    first: int
    end: int


@dataclass(frozen=True)
class Part:
    """One part of a job: `number` names its file, `key` changes with its files."""

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


def locate(root: str, output: str, options: Classification) -> tuple[str, str, Classification]:
    """All paths made absolute, since workers run in other folders.

    Raises InputError when images and output lie inside each other or the output cannot be written.
    """
    root, output = storage.absolute(root), storage.absolute(output)
    storage.check_apart(root, output, "output")
    storage.check_writable(output, "output")
    folders = {"copy_into": options.copy_into, "symlink_into": options.symlink_into}
    located = {name: storage.absolute(folder) for name, folder in folders.items() if folder}
    return root, output, options.model_copy(update=located)


@task(cache_policy=NO_CACHE, task_run_name="list")
def plan_job(root: str, output: str, model: ModelVersion, options: Classification) -> Job:
    """List a folder and commit the manifest of its parts to the output.

    Earlier parts that the same model made with the same options keep the files that are there unchanged;
    new and changed files form parts of their own. Memory does not grow with the number of files.
    """
    made_by = digest(
        [DECODER_VERSION, root, model.sha256, model.temperature, model.classes, *options.rows_depend_on]
    )
    with new_listing() as listing:
        chosen = chooser(options)
        found = listing.add(file for file in walk(root) if chosen(file.path))
        if not found:
            raise InputError(
                f"`images` must contain image files. Received an empty folder: {root!r}"
                + (", or none that `include` and `exclude` let pass." if options.chooses else ".")
            )
        plan = write_plan(storage.plan_url(output), listing, found, made_by)
    log.info("Listed %s files in %s, parts: %s", f"{plan.files:,}", root, f"{plan.parts:,}")
    return Job(root, output, model, options, plan)


def chooser(options: Classification) -> Callable[[str], bool]:
    """Says of a path whether it matches a pattern of `include`, if there is any, and none of `exclude`.

    A `*` matches folders too, as in `*.jpg` or `2026/*`.
    """
    globs = options.include or ("*",), options.exclude or ("",)
    wanted, unwanted = (re.compile("|".join(map(fnmatch.translate, patterns))) for patterns in globs)
    return lambda path: bool(wanted.match(path)) and not unwanted.match(path)


def digest(values: Sequence[Any]) -> str:
    return storage.sha256(json.dumps(values).encode())[:32]


def write_plan(url: str, listing: Listing, found: int, made_by: str) -> Plan:
    """Write the manifest, one row group a part; one that stands there is taken over as far as it holds."""
    earlier = read_plan(url)
    if earlier and earlier.made_by == made_by:
        listing.add_earlier(read_groups(url, range(earlier.parts)))
        series, next_part = earlier.series, earlier.next_part
    else:
        series, next_part = "", 0
    length = min(max(-(-found // MAX_PARTITIONS), SMALLEST_PART), LARGEST_PART)
    keys = []
    with storage.committing(url) as path, pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for number, files in listing.kept():
            keys.append(write_part(writer, number, files))
        fresh = listing.fresh()
        while files := list(islice(fresh, length)):
            keys.append(write_part(writer, next_part, files))
            next_part += 1
        series = series or digest([made_by, *keys])
        plan = Plan(made_by, series, next_part, found, len(keys), digest([series, *keys]))
        writer.add_key_value_metadata({PLAN: json.dumps(asdict(plan)).encode()})
    return plan


def write_part(writer: pq.ParquetWriter, number: int, files: Sequence[FileEntry]) -> str:
    rows = [{"path": file.path, "bytes": file.bytes, "mark": file.mark, "part": number} for file in files]
    writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), row_group_size=len(rows))
    return part_key(number, files)


def part_key(number: int, files: Iterable[FileEntry]) -> str:
    return digest([number, *([file.path, file.bytes, file.mark] for file in files)])


def read_plan(url: str) -> Plan | None:
    """What the manifest at `url` says of itself, if there is one."""
    if not storage.exists(url):
        return None
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        note = (pq.read_metadata(file).metadata or {}).get(PLAN)
        return Plan(**json.loads(note)) if note else None


def read_groups(url: str, groups: Iterable[int]) -> Iterator[tuple[int, list[FileEntry]]]:
    """Yield the number and the files of some of a manifest's parts."""
    fs, path = storage.filesystem(url)
    with fs.open(path, "rb") as file:
        manifest = pq.ParquetFile(file)
        for group in groups:
            rows = manifest.read_row_group(group).to_pylist()
            yield rows[0]["part"], [FileEntry(row["path"], row["bytes"], row["mark"]) for row in rows]


def partitions(job: Job, at_once: int = 1) -> list[Partition]:
    """What is to be run: nothing when the job is committed already, else at most MAX_PARTITIONS ranges.

    Files that could not be read are tried again. Whatever an earlier job left that is not of this one is
    removed. at_once: how many ranges the cluster classifies at a time.
    """
    success = storage.success_url(job.output)
    if storage.exists(success):
        earlier = storage.read_json(success)
        if earlier["key"] == job.key and not earlier.get("unreadable"):
            return []
        storage.remove(success)
    remove_others(job)
    bounds = guided(job.plan.parts, at_once)
    return [Partition(job, index, first, end) for index, (first, end) in enumerate(pairwise(bounds))]


def guided(parts: int, at_once: int) -> list[int]:
    """Where to cut `parts` into at most MAX_PARTITIONS ranges: long ones first, since every task run costs
    a start, then ever shorter ones, so that none is waited for.

    Each takes three quarters of a fair share of what is left, since not all workers are equally fast.
    Source, with whole shares: Polychronopoulos and Kuck 1987, "Guided Self-Scheduling".
    """
    longest = max(LONGEST_PARTITION, -(-2 * parts // MAX_PARTITIONS))
    bounds = [0]
    while left := parts - bounds[-1]:
        fair = min(-(-3 * left // (4 * at_once)), longest)
        bounds.append(bounds[-1] + max(fair, -(-left // (MAX_PARTITIONS - len(bounds) + 1))))
    return bounds


def remove_others(job: Job) -> None:
    storage.sweep(job.output)
    numbers = set(part_numbers(job))
    for name in storage.names(job.output):
        found = storage.PART_NAME.fullmatch(name)
        if found and not (int(found[1]) in numbers and found[2] == job.options.format):
            storage.remove(storage.join(job.output, name))
    for name in storage.names(storage.markers_url(job.output)):
        found = storage.PART_NAME.fullmatch(name)
        if found and int(found[1]) not in numbers:
            storage.remove(storage.join(storage.markers_url(job.output), name))


def part_numbers(job: Job) -> list[int]:
    """The number of every part of the job, in order."""
    fs, path = storage.filesystem(storage.plan_url(job.output))
    with fs.open(path, "rb") as file:
        groups = pq.ParquetFile(file)
        return [
            groups.metadata.row_group(group).column(SCHEMA.get_field_index("part")).statistics.min
            for group in range(groups.num_row_groups)
        ]


def parts_of(partition: Partition) -> list[Part]:
    """The parts of one partition, read from the manifest."""
    groups = read_groups(storage.plan_url(partition.job.output), range(partition.first, partition.end))
    return [Part(partition.job, number, tuple(files), part_key(number, files)) for number, files in groups]
