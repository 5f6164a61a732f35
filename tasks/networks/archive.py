"""Loads a model.keras, after checking that it holds only weights and the layers that Darkroom builds with."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks import storage
from tasks.errors import JobError

if TYPE_CHECKING:
    import keras

MOST_BYTES = 4 * 2**30  # twice the weights of a CNN for images of 1,024 pixels, the largest that is made
MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]
LAYERS = (
    "Activation Add BatchNormalization Concatenate Conv2D Dense DepthwiseConv2D Dropout Flatten "
    "GlobalAveragePooling2D InputLayer LayerNormalization MaxPooling2D ReLU Rescaling ZeroPadding2D"
)
ALLOWED_OBJECTS = [  # a list, since a hostile config may hold names that are not hashable
    *(("keras.layers", name) for name in LAYERS.split()),
    *(("keras.initializers", name) for name in ("GlorotUniform", "Ones", "Zeros")),
    ("keras.src.models.functional", "Functional"),
    ("keras", "DTypePolicy"),
    (None, "__keras_tensor__"),
]


def check_archive(data: bytes, model_url: str) -> None:
    """Raise JobError unless `data` is a Keras archive of ALLOWED_OBJECTS and weights, and nothing else.

    Keras's own safe_mode refuses Python lambdas, but not a Lambda layer that calls a function of Keras, nor
    layers that read files named in their configuration. So everything that Darkroom does not write itself
    is refused here. The content of the weights, such as links to other files, is checked by Keras.

    model_url: where `data` was read, for the message.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        received = f"bytes that are none (no pickle or .h5 is read) in {model_url!r}"
        raise refusal("be a Keras 3 archive", received)
    try:
        config = json.loads(read_member(data, "config.json"))
    except Exception as error:  # zipfile, zlib and json raise errors of many kinds
        raise refusal("be whole", f"{reason_of(error)!r} for {model_url!r}") from error
    for module, name in objects(config):
        if (module, name) not in ALLOWED_OBJECTS:
            raise refusal(
                "be of the layers Darkroom builds with, others may run code of their own",
                f"{name!r} of {module!r} in {model_url!r}",
            )


def read_member(data: bytes, name: str) -> bytes:
    """A member of a Keras archive. Raises an error of some kind for one that is not as Keras writes it.

    Keras compresses nothing: a few bytes that would become many are none of its making.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if (members := sorted(archive.namelist())) != MEMBERS:
            raise ValueError(f"it must hold {', '.join(MEMBERS)} and no more: {members}")
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data):
                raise ValueError(f"{member.filename} of {member.file_size:,} bytes is compressed")
        return archive.read(name)


def reason_of(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def objects(config: Any) -> Iterator[tuple[Any, Any]]:
    """Module and class name of every object that Keras would build from a configuration."""
    pending = [config]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part.get("module"), part["class_name"]
            pending += part.values()
        elif isinstance(part, list):
            pending += part


def refusal(rule: str, received: str) -> JobError:
    return JobError(f"model.keras must {rule}. Received {received}: train or restore the version again.")


def read_verified(url: str, sha256: str) -> bytes:
    """The bytes of a model file; JobError when their sha256 is another."""
    data = read_model_file(url)
    if storage.sha256(data) != sha256:
        raise JobError(
            f"The model's bytes must have the sha256 its model.json names, {sha256[:12]}... "
            f"Received {storage.sha256(data)[:12]}... from {url!r}: train or restore the version again."
        )
    return data


def read_model_file(url: str) -> bytes:
    """The bytes of a model file; JobError when it is gone, or larger than any that Darkroom makes."""
    try:
        size = storage.size(url)
    except FileNotFoundError as error:
        raise JobError(f"A version must have its model. Received none at {url!r}: restore it.") from error
    if size > MOST_BYTES:
        raise JobError(
            f"A model must have at most {MOST_BYTES / 2**30:g} GB. Received {size / 2**30:.1f} GB in "
            f"{url!r}: restore the version, or train a smaller one."
        )
    return storage.read_bytes(url, MOST_BYTES)


def load_model(model_url: str, sha256: str | None) -> "keras.Model":
    """Load a model.keras. sha256: of its bytes; None to trust what is there.

    Raises JobError when the bytes are others, or the archive is broken or not allowed (see `check_archive`).
    """
    import keras  # here, since it loads TensorFlow

    data = read_verified(model_url, sha256) if sha256 else read_model_file(model_url)
    check_archive(data, model_url)
    with storage.temporary_folder() as folder:
        path = folder / "model.keras"
        path.write_bytes(data)
        try:
            return keras.models.load_model(path, safe_mode=True, compile=False)
        except Exception as error:  # Keras, h5py and TensorFlow raise errors of many kinds for broken weights
            raise refusal("be loaded by Keras", f"{reason_of(error)!r} for {model_url!r}") from error


def weights_sha256(model_url: str) -> str | None:
    """Digest of a model's weights alone: equal for twins, whose files differ by the time they were saved.

    None for a file that is no archive of weights.
    """
    import h5py  # 0.2 s that only a gate with replaced champions takes

    digest = hashlib.sha256()

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual or item.nbytes > len(weights):
                raise ValueError("weights that do not lie in the file")
            digest.update(name.encode())
            digest.update(item[()].tobytes())

    data = read_model_file(model_url) if storage.exists(model_url) else b""
    try:
        weights = read_member(data, "model.weights.h5")
        with h5py.File(io.BytesIO(weights), "r") as file:
            file.visititems(add)
    except Exception:  # zipfile, zlib and h5py raise errors of many kinds
        return None
    return digest.hexdigest()
