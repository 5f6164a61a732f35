"""Stores and outputs as they were written before records had a schema version, made of new ones."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

PREFIXES = {"cnn": "cnn", "mobilenet_v2": "mobilenet"}


def make_older(folder: Path) -> None:
    """Rewrite all records and tables below a folder as of schema version 0."""
    for path in folder.rglob("verdict.json"):
        path.unlink()
    for path in folder.rglob("*.json"):
        record = json.loads(path.read_text())
        if isinstance(record, dict):
            path.write_text(json.dumps(older(record, path)))
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path)
        metadata = {
            key: value for key, value in (table.schema.metadata or {}).items() if key != b"schema_version"
        }
        if table.schema.metadata and path.name != "_manifest.parquet" and path.name != "manifest.parquet":
            pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")


def older(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """A record without its version, with all parameters side by side, and with the URL of a trained model."""
    record.pop("schema_version", None)
    if isinstance(record.get("training"), dict):
        record["training"] = flat(record["training"])
    if path.name == "training.json":
        record["uri"] = f"/moved/since/models/{record['version']}/model.keras"
    return record


def flat(training: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, value in training.items():
        if name in PREFIXES:
            parameters |= {f"{PREFIXES[name]}_{inner}": setting for inner, setting in value.items()}
        else:
            parameters[name] = value
    return parameters
