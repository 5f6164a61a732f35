"""The rows that a report of a classification shows are few, drawn from all, and the same each time."""

import pyarrow as pa

from tasks.classification.rows import to_table
from tasks.classification.sample import OF_LABEL, SHOWN, Doubtful, LabelSample
from tests.tasks.pages import records


def tables(rows: list[dict], of: int = 50) -> list[pa.Table]:
    return [to_table(rows[start : start + of], "parquet") for start in range(0, len(rows), of)]


def sample_of(rows: list[dict]) -> dict[str, list[dict]]:
    sample = LabelSample()
    for table in tables(rows):
        sample.add(table)
    return sample.rows()


def test_a_few_images_of_each_label_are_drawn_from_the_whole_job_the_same_each_time():
    rows = [records.prediction(f"{number}.jpg", "ab"[number % 2], 0.5) for number in range(1000)]
    drawn = sample_of(rows)
    assert {label: len(of_label) for label, of_label in drawn.items()} == {"a": OF_LABEL, "b": OF_LABEL}
    numbers = [int(row["path"].removesuffix(".jpg")) for row in drawn["a"]]
    assert all(number % 2 == 0 for number in numbers)
    assert max(numbers) > 300
    assert sample_of(rows) == drawn


def test_of_many_labels_the_sample_stays_small_and_holds_the_rarest():
    rows = [records.prediction(f"{number}.jpg", f"{number % 200:03}", 0.5) for number in range(1999)]
    drawn = sample_of(rows)
    assert sum(map(len, drawn.values())) == len(drawn) == SHOWN
    assert "199" in drawn


def test_what_can_be_downloaded_are_bad_files_and_the_least_sure():
    doubtful = Doubtful(3)
    rows = [records.prediction(f"{number}.jpg", "a", number / 200) for number in range(100)]
    for table in tables([*rows, {"path": "bad.jpg", "status": "corrupt", "error": "cut off"}]):
        doubtful.add(table)
    assert [row["path"] for row in doubtful.rows()] == ["bad.jpg", "0.jpg", "1.jpg"]
