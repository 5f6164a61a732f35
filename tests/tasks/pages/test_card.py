"""A model card tells strangers what a model is, and no name in it becomes markup."""

from markdown_it import MarkdownIt

from tasks.pages.card import model_card

EVIL = "a|b `<img src=x onerror=alert(1)>` *c*"


def card(kind: str = "cnn", **more: object) -> str:
    per_class = [
        {"class": EVIL, "precision": 0.9, "recall": 0.412, "f1": 0.565, "support": 17},
        {"class": "sea", "precision": 0.9, "recall": 0.95, "f1": 0.92, "support": 20},
    ]
    record = {
        "version": "v1",
        "kind": kind,
        "parameters": 10637126,
        "classes": [EVIL, "sea"],
        "size_px": 150,
        "temperature": 0.93,
        "metrics": {"images": 37, "accuracy": 0.75, "low": 0.6, "high": 0.9, "ece": 0.05},
        "per_class": per_class,
        "dataset": "9f3c",
        "root": EVIL,
        "counts": {"train": 300, "val": 30, "test": 37},
        "training": {
            "epochs": 3,
            "cnn": {"augmentation": {"flip": True}},
            "mobilenet_v2": {"views": 4},
            "weights": EVIL,
        },
        "created": "2026-11-22T22:10:02+00:00",
        "versions": {"keras": "3.15.1"},
        "sha256": "17219152",
        "onnx_sha256": None,
        **more,
    }
    slices = [
        {"look": "brightness", "name": "darkest", "images": 9, "accuracy": 0.5, "rest": 0.9, "p_value": 0.001}
    ]
    return model_card(record, {"slices": [slices[0] | {"worse": True}, slices[0] | {"name": "brightest"}]})


def test_a_card_says_what_goes_in_how_right_it_is_and_where_not():
    text = card()
    for told in (
        "[images, 150, 150, 3]",
        "**75.0 %** of 37 test images right, 95 % interval 60.0 % to 90.0 %",
        "| train | 300 images |",
        "41.2 % of 17 images found",
        "darkest: 50.0 % of 9 images right, elsewhere 90.0 % (p = 0.0010)",
        "| augmentation flip | yes |",
        "darkroom classify --model v1",
    ):
        assert told in text
    for untold in ("brightest", "mobilenet", "onnxruntime", "Undefined", "None"):
        assert untold not in text


def test_a_card_says_whether_copies_of_the_test_images_were_trained_on():
    clean, nothing = "The test split trained nothing", card(leakage={"leaked": 2, "leaking": 0})
    assert clean in nothing
    assert "2 images that are copies of ones that judge were left out" in nothing
    leaking = card(leakage={"leaked": 0, "leaking": 3})
    assert clean not in leaking
    assert "3 images are copies of ones that judge and were trained or validated on" in leaking
    assert "told in the dataset's `audit.json`" in card()


def test_no_name_becomes_markup_in_a_card():
    html = MarkdownIt("commonmark").enable("table").render(card("mobilenet_v2"))
    shown = html.count("a|b `&lt;img src=x onerror=alert(1)&gt;` *c*")
    assert shown == len(["in the list", "in the table", "among the limits", "root", "weights"])
