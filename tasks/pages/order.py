"""In which order a report shows what a run found: the bad and the small first, where there are many."""

from collections.abc import Mapping, Sequence

from tasks.pages.words import Pictures, Record


def cells_with_pictures(metrics: Record, pictures: Pictures) -> list[Record]:
    """The cells of a model's confusion matrix of which the report has pictures, most mistakes first."""
    cells = metrics.get("cells", ())  # of an older Darkroom there are none
    return [cell for cell in cells if any(f"photo:{path}" in pictures for path in cell["paths"])]


def places_of(cells: Sequence[Record]) -> dict[tuple[str, str], int]:
    """The place of each cell in the list, by its true and predicted class."""
    return {(cell["true"], cell["predicted"]): place for place, cell in enumerate(cells)}


def most_lost(per_class: Sequence[Record]) -> list[Record]:
    """Classes as `compare_with_champion` gives them, those that lost most first."""
    return sorted(per_class, key=lambda row: row["challenger_recall"] - row["champion_recall"])


def most_changed(counts: Mapping[str, Mapping[str, Sequence[int]]]) -> list[str]:
    """The classes of `data_changes` whose images changed most first."""
    changes = {
        name: sum(abs(now - then) for then, now in (classes[name] for classes in counts.values()))
        for name in next(iter(counts.values()))
    }
    return sorted(changes, key=lambda name: -changes[name])
