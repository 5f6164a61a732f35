"""What stands in a store is checked before it is used: others may have written there."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import run
from tasks import storage
from tasks.errors import JobError
from tasks.registry.versions import list_versions, read_version

RECORD = {
    "version": "v1",
    "kind": "cnn",
    "sha256": "0" * 64,
    "onnx_sha256": None,
    "classes": ["a", ".."],
    "size_px": 32,
    "temperature": 1.0,
    "created": "2026-11-26T10:00:00+00:00",
}


def register(store: str, record: Any) -> None:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    storage.write_bytes(storage.version_record_url(storage.version_url(store, "v1")), content)


def test_a_record_as_we_write_it_is_read(store: str):
    register(store, RECORD)
    version = read_version(store, "v1")
    assert (version.classes, version.fit) == (("a", ".."), "squeeze")  # an older Darkroom told no fit


@pytest.mark.parametrize(
    "change",
    [
        {"version": "../v2"},
        {"kind": "<b>"},
        {"sha256": None},
        {"onnx_sha256": 1},
        {"classes": None},
        {"classes": "ab"},
        {"classes": ["a"]},
        {"classes": ["a", "a"]},
        {"classes": ["a", ""]},
        {"classes": ["a", 1]},
        {"classes": ["a", ["b"]]},
        {"size_px": 10**9},
        {"size_px": "32"},
        {"temperature": 0},
        {"fit": "stretch"},
        {"fit": None},
        {"temperature": "1"},
        {"created": 1},
        {"schema_version": "x"},
    ],
    ids=str,
)
def test_a_record_that_we_would_not_write_is_refused_in_one_line(store: str, change: dict):
    register(store, RECORD | change)
    with pytest.raises(JobError, match="must be as") as error:
        read_version(store, "v1")
    assert "\n" not in str(error.value)


BROKEN = {"empty": b"", "cut": b"{", "a list": b"[]", "no text": b"\xff", "deep": b"[" * 10**6, "bare": b"{}"}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_record_ends_a_command_in_one_line(store: str, capsys, content: bytes):
    register(store, content)
    with pytest.raises(JobError, match="broken"):
        list_versions(store)
    assert run(["models", "list", "--store", store]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("darkroom: ") and "Received" in line


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x01\x02", b"\x93NUMPY"])
def test_broken_arrays_are_told_in_one_line(tmp_path: Path, content: bytes):
    (tmp_path / "evidence.npz").write_bytes(content)
    with pytest.raises(JobError, match="broken"):
        storage.read_arrays(str(tmp_path / "evidence.npz"))


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "/etc", "a\0"])
def test_no_name_that_was_read_leads_out_of_a_folder(store: str, name: str):
    for make in (
        lambda: storage.join(store, name),
        lambda: storage.Run("r", store).kind_url(name),
        lambda: storage.features_url(store, name or "."),
        lambda: storage.ledger_url(store, "plan", f"../{name}"),
        lambda: storage.file_url("/images", f"a/../../{name}"),
    ):
        with pytest.raises(ValueError, match="plain name"):
            make()
