"""Whether a model in integers of eight bits is as right as the model itself, told by validation images."""

from typing import Any

import numpy as np
import scipy

from tasks import storage
from tasks.dataset import Dataset
from tasks.evaluation.calibration import fit_temperature, scale_temperature
from tasks.evaluation.likeness import SHARE, read_likeness
from tasks.evaluation.metrics import compare, p_of_worse
from tasks.networks import OnnxClassifier, look_at, read_model_file
from tasks.networks.quantize import quantize

MARGIN = 0.005  # of accuracy that int8 may cost
LEVEL = 0.95  # how sure that is to be
FEWEST = 100  # validation images, of fewer it cannot be told
LOOKED_AT = 256  # training images that scales are made of; four times as many changed nothing


def measure_int8(dataset: Dataset, folder_url: str, exact: np.ndarray, temperature: float) -> dict[str, Any]:
    """Write model.int8.onnx into a version's folder, where it is nearly as right as the model itself: first
    with all in integers, and where that costs too much, sparing what suffers most.

    exact: what the model says of the validation images, float [images, classes], before its temperature.
    Returns the key `int8` of metrics.json: whether it is `kept` or for what `reason` not, what
    `compare_int8` tells, its own `temperature` and `unlike_below`, and whether the try was `sparing`.
    """
    val, train = dataset.split("val"), dataset.split("train")
    onnx_url = storage.onnx_url(folder_url)
    if not storage.exists(onnx_url):
        return {"kept": False, "reason": "there is no model.onnx to make it of"}
    if len(val) < FEWEST:
        return {"kept": False, "reason": f"{len(val)} validation images are too few to know what it costs"}
    rows = np.linspace(0, len(train) - 1, min(len(train), LOOKED_AT)).astype(int)
    model, images, expected = (
        read_model_file(onnx_url),
        train.take(rows),
        scale_temperature(exact, temperature),
    )
    for sparing in (False, True):  # the second is a twentieth slower
        data = quantize(model, images, sparing)
        probabilities, features = look_at(OnnxClassifier(data, "int8"), val, np.arange(len(val)))
        own = fit_temperature(probabilities, val.labels)
        result = compare_int8(expected, scale_temperature(probabilities, own), val.labels)
        result |= {"temperature": own, "unlike_below": None, "sparing": sparing, "reason": why_not(result)}
        result["kept"] = not result["reason"]
        if result["kept"]:
            storage.write_bytes(storage.int8_url(folder_url), data)
            break
    if likeness := read_likeness(storage.likeness_url(folder_url)):
        result["unlike_below"] = float(np.quantile(likeness.of(features), SHARE))
    return result


def compare_int8(exact: np.ndarray, int8: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Two models' calibrated probabilities, float [images, classes], of the same images.

    accuracy, exact_accuracy; alike: share of images with the same label; won, lost: images that only int8
    gets right, and only exact. cost: by how much the probability of the true class falls in the mean. In
    expectation accuracy falls by as much, and it is known far better, since most images hardly change.
    cost_high: the upper end of its one-sided LEVEL interval (paired, normal). p_worse: see `p_of_worse`.
    """
    exact_right, int8_right = exact.argmax(1) == labels, int8.argmax(1) == labels
    pairs = compare(exact_right, int8_right)
    falls = (exact - int8)[np.arange(len(labels)), labels].astype(float)
    return {
        "images": len(labels),
        "accuracy": float(int8_right.mean()),
        "exact_accuracy": float(exact_right.mean()),
        "alike": float((exact.argmax(1) == int8.argmax(1)).mean()),
        "won": pairs["only_second"],
        "lost": pairs["only_first"],
        "cost": float(falls.mean()),
        "cost_high": float(
            falls.mean() + scipy.special.ndtri(LEVEL) * falls.std(ddof=1) / np.sqrt(len(falls))
        ),
        "p_worse": p_of_worse(pairs["only_second"], pairs["only_first"]),
    }


def why_not(result: dict[str, Any]) -> str:
    """Why a model in integers is not kept; empty where it is."""
    if not result["cost_high"] < MARGIN:
        cost, most = 100 * result["cost_high"], 100 * MARGIN
        return f"it may cost {cost:.2f} points of accuracy, and {most:g} are the most that it is to cost"
    if result["p_worse"] < 1 - LEVEL:
        return (
            f"of the validation images only the model gets {result['lost']} right, only int8 {result['won']}"
        )
    return ""
