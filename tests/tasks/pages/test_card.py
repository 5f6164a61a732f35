"""A model card tells strangers what a model is, and no name in it becomes markup."""

from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from tasks.pages.card import model_card
from tasks.pages.metrics import metric_texts
from tasks.pictures import decode_image
from tests.fuzz.corpus import encode, exif, photo
from tests.tasks.pages import records
from tests.tasks.pages.browser import EVIL


def card(store: str, kind: str = "cnn", leaking: int = 0) -> str:
    metrics = records.metrics(kind)
    return model_card(records.model_record(store, metrics, leaking), metrics)


def test_a_card_says_what_goes_in_how_right_it_is_and_where_not(store: str):
    text, metrics = card(store), records.metrics()
    weakest = min(metrics["per_class"], key=lambda row: row["recall"])
    worse = [row for row in metrics["slices"] if row["worse"]]
    assert [row["name"] for row in worse] == ["darkest"]
    for statement in (
        "[images, 150, 150, 3]",
        f"**{100 * metrics['test']['accuracy']:.1f} %** of 400 test images right, 95 % interval",
        "| train | 80 images |",
        f"{100 * weakest['recall']:.1f} % of {weakest['support']} images found",
        f"darkest: {100 * worse[0]['accuracy']:.1f} % of {worse[0]['images']} images right, elsewhere",
        "| augmentation flip | yes |",
        "darkroom classify --model",
        *(f"| {words} | {figure} |" for words, figure in metric_texts(metrics["test"]).items()),
    ):
        assert statement in text
    for other in ("brightest", "mobilenet", "onnxruntime", "Undefined", "None"):
        assert other not in text


def test_a_card_says_from_which_confidence_on_each_class_is_precise(store: str):
    metrics = records.metrics()
    for row, least in zip(metrics["thresholds"], (0.876, None, 0.912), strict=True):
        row |= {"confidence": least, "test_kept": 0.375 if least else 0.0}
    record = records.model_record(store, metrics)
    text = model_card(record, metrics)
    for cells in ("95 % right from | kept", "87.6 % | 37.5 %", "never | 0.0 %", "91.2 % | 37.5 %"):
        assert f" | {cells} |\n" in text
    del metrics["thresholds"]
    older = model_card(record, metrics)
    assert "right from" not in older
    rows = MarkdownIt("commonmark").enable("table").render(older)
    assert f'<td style="text-align:right">{record["per_class"][2]["support"]}</td>' in rows


def test_a_card_says_whether_copies_of_the_test_images_were_trained_on(store: str):
    clean, untainted = "The test split trained nothing", card(store)
    assert clean in untainted
    assert "2 images that are copies of ones that judge were left out" in untainted
    leaking = card(store, leaking=3)
    assert clean not in leaking
    assert "3 images are copies of ones that judge and were trained or validated on" in leaking


@pytest.mark.parametrize("fit", ["squeeze", "pad", "crop"])
def test_the_code_in_a_card_makes_of_a_file_what_the_model_was_trained_on(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: str
):
    metrics = records.metrics()
    text = model_card(records.model_record(store, metrics) | {"fit": fit}, metrics)
    data = encode(photo((300, 200)), "JPEG", quality=95, exif=b"Exif\0\0" + exif(6))
    (tmp_path / "photo.jpg").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    made: dict = {}
    exec(text.split("```python\n")[1].split("```")[0], made)
    assert made["images"].shape == (1, 150, 150, 3)
    expected = decode_image(data, 150, fit=fit).pixels
    assert np.abs(made["images"][0].astype(int) - expected).mean() < 1


def test_a_run_that_an_older_version_began_has_a_card(store: str):
    metrics = records.metrics()
    record = records.model_record(store, metrics)
    record["training"] = {"models": ["cnn"], "epochs": 3, "cnn_augmentation": {"flip": True}}
    assert "| cnn augmentation flip | yes |" in model_card(record, metrics)


def test_no_name_becomes_markup_in_a_card(store: str):
    html = MarkdownIt("commonmark").enable("table").render(card(store, "mobilenet_v2"))
    places = ["in the list", "in the table", "root", "weights", "integers"]
    metrics = records.metrics("mobilenet_v2")
    places += ["confused"] * sum(
        (pair["true"], pair["predicted"]).count(EVIL) for pair in metrics["confused"]
    )
    places += ["weakest"] * (min(metrics["per_class"], key=lambda row: row["recall"])["class"] == EVIL)
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") == len(places)
    assert "<img" not in html
