"""Features are computed once for each content, with weights that are there."""

import shutil
import socket
from pathlib import Path

import h5py
import numpy as np
import pytest
from keras.src.applications import mobilenet_v2
from keras.src.backend import config
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tasks import storage
from tasks.audit.features import SIDE_PX, Features, embed_part, fetch_base, locate_weights, plan_features
from tasks.errors import InputError, JobError
from tasks.networks import architectures
from tests.tasks.dataset.test_parts import SIZE, decode_all
from tests.untrained import settled_base


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return settled_base(tmp_path_factory.mktemp("weights") / "base.weights.h5", SIDE_PX)


def test_new_pictures_alone_are_looked_at(sample: Path, weights: str, tmp_path: Path):
    images, store = Path(shutil.copytree(sample, tmp_path / "images")), str(tmp_path / "store")
    first = decode_all(images, store)
    base = fetch_base.fn(first.url, SIZE, weights, needed=False)
    assert sum(embed_part.fn(part).images for part in plan_features(first, base)) == first.decoded
    assert plan_features(first, base) == []

    file = next((images / "seg_test/seg_test/sea").glob("*_0*.jpg"))
    shutil.copy(file, images / "seg_train/seg_train/sea/new.jpg")
    second = decode_all(images, store)
    again = fetch_base.fn(second.url, SIZE, weights, needed=False)
    [part] = plan_features(second, again)
    assert embed_part.fn(part).images == 1
    shutil.rmtree(first.url)
    rows = Features(second, again, np.array([0, 1]), np.array([0, 0])).take(np.array([0, 1]))
    assert rows.shape == (2, 1536)
    assert not np.array_equal(rows[0], rows[1])


def test_weights_that_cannot_be_had_fail_a_training_and_are_told_by_an_exploration(tmp_path: Path):
    dataset, broken = str(tmp_path / "store" / "datasets" / "x"), tmp_path / "broken.h5"
    broken.write_bytes(b"not weights")
    with pytest.raises(JobError, match="--weights none"):
        fetch_base.fn(dataset, SIZE, str(broken), needed=True)
    assert "could not be loaded" in fetch_base.fn(dataset, SIZE, str(broken), needed=False).missing
    with pytest.raises(InputError, match="weights"):
        locate_weights(str(tmp_path / "nowhere.h5"))
    assert not storage.names(dataset)


def test_labels_are_looked_at_with_the_very_file_that_training_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name = "models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    (tmp_path / name).parent.mkdir()
    with h5py.File(tmp_path / name, "w") as file:
        trained = mobilenet_v2.MobileNetV2(input_shape=(150, 150, 3), include_top=False, weights=None)
        save_weights_to_hdf5_group(file, trained)
    monkeypatch.setattr(config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/")
    base = fetch_base.fn(str(tmp_path / "store" / "datasets" / "x"), 150, "imagenet", needed=True)
    assert storage.exists(base.url)
    other = architectures.resize_base(architectures.load_base(150, "imagenet"), SIDE_PX)
    for mine, theirs in zip(other.get_weights(), trained.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(architectures, "STALLED_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", address)
        base = fetch_base.fn(str(tmp_path / "store" / "datasets" / "x"), SIZE, "imagenet", needed=False)
    assert "could not be loaded from imagenet" in base.missing
    assert socket.getdefaulttimeout() is None


def test_a_network_that_cannot_be_exported_only_leaves_labels_unchecked(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(architectures, "build_feature_extractor")
    base = fetch_base.fn(str(tmp_path / "store" / "datasets" / "x"), SIZE, weights, needed=True)
    assert "could not be exported" in base.missing
