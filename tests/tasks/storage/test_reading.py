"""What is read back fills no memory, however it was made: it is refused in one line, with size and limit."""

import io
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import storage
from tasks.classification.plan import read_parts
from tasks.dataset import manifest
from tasks.errors import BrokenFileError
from tasks.evaluation.records import write_arrays
from tasks.storage import reading

LIMIT = reading.MEGABYTE
ZEROS = np.zeros(3 * LIMIT, np.uint8)


def parquet_bomb(path: Path) -> None:
    """Some kilobytes that become megabytes."""
    pq.write_table(pa.table({"path": pa.array(ZEROS)}), path, compression="zstd", use_dictionary=False)


def npz_bomb(path: Path) -> None:
    write_arrays(str(path), labels=ZEROS)


def huge_json(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * LIMIT)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_JSON", "MOST_ARRAYS", "MOST_TABLE"):
        monkeypatch.setattr(reading, name, LIMIT)


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (huge_json, storage.read_record),
        (parquet_bomb, storage.read_table),
        (parquet_bomb, lambda url: list(read_parts(url))),
        (parquet_bomb, manifest.read_parts),
        (npz_bomb, storage.read_arrays),
    ],
)
def test_a_file_that_would_fill_the_memory_is_refused_in_one_line(
    make: Callable[[Path], None], read: Callable[[str], object], tmp_path: Path, small_limits: None
):
    make(tmp_path / "file")
    with pytest.raises(BrokenFileError, match=r"\d MB, and at most 1 are read") as refusal:
        read(str(tmp_path / "file"))
    assert "\n" not in str(refusal.value)
    assert make is huge_json or (tmp_path / "file").stat().st_size < 100_000


@pytest.mark.parametrize("version", ["Infinity", "NaN", "[]", '"x"'])
def test_a_version_that_is_no_number_is_told_in_one_line(tmp_path: Path, version: str):
    (tmp_path / "summary.json").write_text(f'{{"schema_version": {version}}}')
    with pytest.raises(BrokenFileError):
        storage.read_record(str(tmp_path / "summary.json"))


def test_a_device_in_place_of_a_record_fills_no_memory(tmp_path: Path, small_limits: None):
    (tmp_path / "summary.json").symlink_to("/dev/zero")
    with pytest.raises(BrokenFileError, match="at most 1 are read"):
        storage.read_record(str(tmp_path / "summary.json"))


def test_a_list_can_come_through_a_pipe(tmp_path: Path):
    pipe = tmp_path / "list"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        written = pool.submit(pipe.write_bytes, b"x" * 100_000)
        assert len(storage.read_bytes(str(pipe), LIMIT)) == written.result() == 100_000


def test_a_column_of_equal_values_cannot_be_longer_than_the_limit(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_ROWS", 1000)
    url = str(tmp_path / "table.parquet")
    pq.write_table(pa.table({"path": ["x"] * 1001}), url)
    with pytest.raises(BrokenFileError, match="1,001 rows, and at most 1,000"):
        storage.read_table(url)


def test_a_huge_object_is_not_downloaded_and_an_empty_one_is_no_record(bucket: str, small_limits: None):
    fs = fsspec.filesystem("s3")
    fs.pipe(f"{bucket}/huge.json", ZEROS.tobytes())
    fs.pipe(f"{bucket}/empty.json", b"")
    fs.pipe(f"{bucket}/sound.json", b'{"a": 1}')
    with pytest.raises(BrokenFileError, match="3 MB, and at most 1 are read"):
        storage.read_json(f"{bucket}/huge.json")
    with pytest.raises(BrokenFileError, match="Expecting value"):
        storage.read_json(f"{bucket}/empty.json")
    assert storage.read_json(f"{bucket}/sound.json") == {"a": 1}
    with pytest.raises(FileNotFoundError):
        storage.read_json(f"{bucket}/none.json")


def test_an_array_that_says_it_is_larger_than_its_file_is_broken(tmp_path: Path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("labels.npy", header.getvalue())
    with pytest.raises(BrokenFileError):
        storage.read_arrays(str(tmp_path / "a.npz"))
