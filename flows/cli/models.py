"""The `darkroom models` commands: what versions a store has, which is champion and why."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.filesize import decimal

from flows.cli.terminal import GAP, Store, columns, draw, facts, silenced, table, tell
from tasks import storage
from tasks.ahead import map_requests
from tasks.errors import InputError
from tasks.evaluation import PRECISION, least_confidences
from tasks.pages import METRICS, UNKNOWN, decimals, metric_texts
from tasks.parameters import FIT_WORDS, ExportFormat
from tasks.publishing import write_overview
from tasks.registry import (
    champion,
    champion_stack,
    hold_champion,
    hold_reason,
    list_versions,
    promote_by_hand,
    read_promotions,
    read_record,
    release_champion,
    roll_back,
)

DONE = {"promote": "promoted", "rollback": "back to", "hold": "held", "release": "released"}

Record = Mapping[str, Any]

models = App(name="models", help="Look at the store's model versions and choose the champion.")


@models.command(name="list")
def list_models(*, store: Store = "store") -> None:
    """List every version, oldest first; a star marks the champion.

    `recall` is that of the weakest class. A narrow terminal gets fewer columns; `models show` has all.

    :param store: Folder or URL that holds the models.
    """
    storage.check_store(store)
    records = list_versions(store)
    if not records:
        raise InputError(
            "The store must hold model versions: run `darkroom retrain` first. "
            f"Received one without: {store!r}."
        )
    present = champion(store)
    rows = map_requests(lambda record: version_row(store, record, present), records)
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    for spare in ("kind", "created, UTC", "dataset", "MB", "F1", "recall"):
        if sum(widths.values()) + GAP * (len(widths) - 1) > columns():
            del widths[spare]
    draw(table(widths, ([row[name] for name in widths] for row in rows)))


def version_row(store: str, record: Record, present: str | None) -> dict[str, str]:
    test, weakest = record["metrics"], weakest_class(record)
    return {
        "  version": ("* " if record["version"] == present else "  ") + record["version"],
        "kind": record["kind"],
        "created, UTC": minute(record["created"]),
        "accuracy, 95 %": f"{test['accuracy']:.3f} {test['low']:.3f}-{test['high']:.3f}",
        "F1": decimals(test.get("macro_f1")),
        "recall": decimals(weakest and weakest["recall"]),
        "dataset": record["dataset"],
        "MB": f"{storage.size(storage.model_url(storage.version_url(store, record['version']))) / 1e6:.1f}",
    }


@models.command
def show(version: str, *, store: Store = "store") -> None:
    """Show what is known of a version; its card.md says it to strangers, model.json to programs.

    :param version: A version of the store, or `champion`.
    :param store: Folder or URL that holds the models.
    """
    storage.check_store(store)
    record = read_record(store, version)
    draw(facts(describe(store, record).items()))
    draw("")
    draw(facts(describe_metrics(record["metrics"]).items()))
    if record.get("per_class"):
        names = ("precision", "recall", "f1")
        rows = [
            [row["class"], *(decimals(row[name]) for name in names), f"{row['support']:,}", sure_from]
            for row, sure_from in zip(record["per_class"], confidences(record), strict=True)
        ]
        draw("")
        draw(
            table(("class", "precision", "recall", "F1", "test images", f"{PRECISION:.0%} right from"), rows)
        )


def confidences(record: Record) -> list[str]:
    """From which confidence on each class is PRECISION right on validation; of an older version unknown."""
    if not record.get("thresholds"):
        return [UNKNOWN] * len(record["per_class"])
    return ["never" if least > 1 else decimals(least) for least in least_confidences(record, PRECISION)]


def describe_metrics(test: Record) -> dict[str, str]:
    """The table of metrics in words; a dash for one that the version, being older, was not measured by."""
    unmeasured = dict.fromkeys(metric.key for metric in METRICS)
    return {"on the test images": f"{test['images']:,} images"} | metric_texts(unmeasured | dict(test))


def describe_images(record: Record) -> str:
    words = FIT_WORDS.get(record.get("fit", ""))
    return f"images of {record['size_px']} px" + (f", {words}" if words else "")


def describe(store: str, record: Record) -> dict[str, str]:
    name, counts = record["version"], record.get("counts")
    folder = storage.version_url(store, name)
    files = [file for file in storage.VERSION_FILES if storage.exists(storage.join(folder, file))]
    return {
        "version": f"{name}{', the champion' if name == champion(store) else ''}",
        "kind": f"{record['kind']}, {record['parameters']:,} parameters, {describe_images(record)}",
        "created": f"{minute(record['created'])} UTC",
        "temperature": decimals(record["temperature"]),
        "classes": ", ".join(record["classes"]),
        "dataset": record["dataset"] + (f" of {record['root']}" if record.get("root") else ""),
        "images": ", ".join(f"{count:,} {split}" for split, count in counts.items()) if counts else UNKNOWN,
        "made with": ", ".join(f"{package} {version}" for package, version in record["versions"].items()),
        "files": ", ".join(f"{file} {decimal(storage.size(storage.join(folder, file)))}" for file in files),
        "folder": folder,
        "promotions": "\n".join(
            f"{minute(entry['at'])} UTC: {entry['reason']}"
            for entry in read_promotions(store)
            if entry["version"] == name
        )
        or "none",
    }


@models.command
def history(*, store: Store = "store") -> None:
    """Tell every promotion, rollback, hold and release with its reason, oldest first.

    :param store: Folder or URL that holds the models.
    """
    storage.check_store(store)
    entries = read_promotions(store)
    if not entries:
        raise InputError(f"The store must have had a champion. Received one without promotions: {store!r}.")
    draw(
        facts(
            (f"{minute(entry['at'])} UTC", f"{DONE[entry['action']]} {entry['version']}\n{entry['reason']}")
            for entry in entries
        )
    )
    stack = champion_stack(entries)
    reason = hold_reason(entries)
    tell("Champion", stack[-1] + (f" ({reason})" if reason else ""))
    tell("A rollback goes to", stack[-2] if len(stack) > 1 else "none")


@models.command
def promote(version: str, *, store: Store = "store", reason: str = "") -> None:
    """Make a version the champion, past the gate.

    :param version: A version of the store.
    :param store: Folder or URL that holds the models.
    :param reason: Why, for `models history`.
    """
    storage.check_store(store)
    tell("Champion", storage.version_url(store, promote_by_hand(store, version, reason)))
    write_overview(store)


@models.command
def rollback(*, store: Store = "store", reason: str = "") -> None:
    """Make the champion before the present one champion again.

    :param store: Folder or URL that holds the models.
    :param reason: Why, for `models history`.
    """
    storage.check_store(store)
    tell("Champion", storage.version_url(store, roll_back(store, reason)))
    write_overview(store)


@models.command
def hold(*, store: Store = "store", reason: str = "") -> None:
    """Let no run replace the champion, until `models release`; a person still can.

    :param store: Folder or URL that holds the models.
    :param reason: Why, for `models history`.
    """
    storage.check_store(store)
    tell("Champion, held", storage.version_url(store, hold_champion(store, reason)))


@models.command
def release(*, store: Store = "store", reason: str = "") -> None:
    """Let runs replace the champion again, if they earn it.

    :param store: Folder or URL that holds the models.
    :param reason: Why, for `models history`.
    """
    storage.check_store(store)
    tell("Champion, released", storage.version_url(store, release_champion(store, reason)))


@models.command
def export(version: str, *, format: ExportFormat, output: Path | None = None, store: Store = "store") -> None:
    """Write a version for other programs, if it gives the same answers there.

    It is held against the original on test images of its dataset, or on noise where that has been removed.

    :param version: A version of the store, or `champion`.
    :param format: TensorFlow's SavedModel, LiteRT (TensorFlow Lite), or ONNX.
    :param output: New or empty folder to write into; by default the version and format in this folder.
    :param store: Folder or URL that holds the models.
    """
    storage.check_store(store)
    with silenced():
        from tasks.registry.export import export_version

        exported = export_version(store, version, format, output)
    images = "test images of its dataset" if exported.real else "images of noise, for its dataset has gone"
    tell(
        f"{decimal(exported.bytes)} that answer as the original does on {exported.images} {images} "
        f"(probabilities differ by {exported.difference:.1e} at most, {exported.same:.1%} of labels alike)",
        exported.path,
    )


def weakest_class(record: Record) -> Record | None:
    rows = [row for row in record.get("per_class") or [] if row["support"]]
    return min(rows, key=lambda row: row["recall"], default=None)


def minute(written: str) -> str:
    """An ISO time to the minute, as a person would sort it."""
    return f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M}"
