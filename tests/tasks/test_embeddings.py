"""Features are computed once for each content, with weights that are there."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks import models, storage
from tasks.embeddings import SIDE_PX, Features, embed_part, fetch_base, locate_weights, plan_features
from tasks.errors import InputError, JobError
from tests.tasks.test_shards import decode_all


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "base.weights.h5"
    models.load_base(SIDE_PX, "none").save_weights(path)
    return str(path)


def test_new_pictures_alone_are_looked_at(sample: Path, weights: str, tmp_path: Path):
    images, store = Path(shutil.copytree(sample, tmp_path / "images")), str(tmp_path / "store")
    first = decode_all(images, store)
    base = fetch_base.fn(first.dataset, weights, needed=False)
    assert sum(embed_part.fn(part).images for part in plan_features(first, base)) == first.decoded
    assert plan_features(first, base) == []

    file = next((images / "seg_test/seg_test/sea").glob("*_0*.jpg"))
    shutil.copy(file, images / "seg_train/seg_train/sea/new.jpg")
    second = decode_all(images, store)
    again = fetch_base.fn(second.dataset, weights, needed=False)
    [part] = plan_features(second, again)
    assert embed_part.fn(part).images == 1
    shutil.rmtree(first.dataset)
    found = Features(second, again, np.array([0, 1]), np.array([0, 0])).take(np.array([0, 1]))
    assert found.shape == (2, 1536)
    assert not np.array_equal(found[0], found[1])


def test_weights_that_cannot_be_had_fail_a_training_and_are_told_by_an_exploration(tmp_path: Path):
    dataset, broken = str(tmp_path / "store" / "datasets" / "x"), tmp_path / "broken.h5"
    broken.write_bytes(b"not weights")
    with pytest.raises(JobError, match="--weights none"):
        fetch_base.fn(dataset, str(broken), needed=True)
    assert "could not be loaded" in fetch_base.fn(dataset, str(broken), needed=False).missing
    with pytest.raises(InputError, match="weights"):
        locate_weights(str(tmp_path / "nowhere.h5"))
    assert not storage.names(dataset)
