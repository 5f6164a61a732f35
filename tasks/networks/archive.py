"""What a model.keras may hold, looked at before Keras reads it: layers Darkroom builds with, and weights."""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks import storage
from tasks.errors import JobError

if TYPE_CHECKING:
    import keras

MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]
LAYERS = (
    "Activation Add BatchNormalization Concatenate Conv2D Dense DepthwiseConv2D Dropout Flatten "
    "GlobalAveragePooling2D InputLayer LayerNormalization MaxPooling2D ReLU Rescaling ZeroPadding2D"
)
KNOWN = [  # a list, since what is looked up in it may not be hashable
    *(("keras.layers", name) for name in LAYERS.split()),
    *(("keras.initializers", name) for name in ("GlorotUniform", "Ones", "Zeros")),
    ("keras.src.models.functional", "Functional"),
    ("keras", "DTypePolicy"),
    (None, "__keras_tensor__"),
]


def check_archive(data: bytes, uri: str) -> None:
    """Raise JobError unless `data` is a Keras archive of known layers and weights, and nothing else.

    Keras's own safe_mode refuses Python lambdas, but neither a Lambda layer over a function of Keras nor
    layers that read files named in their configuration; here whatever Darkroom never writes is refused. What
    is inside the weights, such as links to other files, Keras checks itself.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise refusal("be a Keras 3 archive", f"bytes that are none (no pickle or .h5 is read) in {uri!r}")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if (members := sorted(archive.namelist())) != MEMBERS:
            raise refusal(f"hold {', '.join(MEMBERS)} and no more", f"{members} in {uri!r}")
        try:
            config = json.loads(archive.read("config.json"))
        except ValueError as error:
            raise refusal("hold a readable config.json", f"{error} in {uri!r}") from error
    for module, name in objects(config):
        if (module, name) not in KNOWN:
            raise refusal(
                "be of the layers Darkroom builds with, others may run code of their own",
                f"{name!r} of {module!r} in {uri!r}",
            )


def objects(config: Any) -> Iterator[tuple[Any, Any]]:
    """Module and name of everything that Keras would build from a configuration."""
    inside = [config]
    while inside:
        part = inside.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part.get("module"), part["class_name"]
            inside += part.values()
        elif isinstance(part, list):
            inside += part


def refusal(rule: str, received: str) -> JobError:
    return JobError(f"model.keras must {rule}. Received {received}: train or restore the version again.")


def checked(uri: str, sha256: str) -> bytes:
    data = storage.read_bytes(uri)
    if storage.sha256(data) != sha256:
        raise JobError(
            f"The model's bytes must have the sha256 its model.json names, {sha256[:12]}... "
            f"Received {storage.sha256(data)[:12]}... from {uri!r}: train or restore the version again."
        )
    return data


def load_model(uri: str, sha256: str | None) -> "keras.Model":
    """Load `model.keras`; JobError when its bytes are not `sha256` or it is not layers and weights alone."""
    import keras  # TensorFlow, where a model is loaded and nowhere else

    data = checked(uri, sha256) if sha256 else storage.read_bytes(uri)
    check_archive(data, uri)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(data)
        try:
            return keras.models.load_model(path, safe_mode=True, compile=False)
        except Exception as error:  # Keras, h5py and TensorFlow raise what they like of broken weights
            raise refusal("be loaded by Keras", f"{str(error).splitlines()[0]!r} for {uri!r}") from error
