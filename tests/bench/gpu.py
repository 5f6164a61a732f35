"""`make bench-gpu`: every GPU of this machine under MirroredStrategy, against one of them."""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tasks.dataset.index import commit_dataset
from tasks.dataset.manifest import list_images
from tasks.dataset.parts import decode_part, plan_parts
from tasks.networks import architectures
from tasks.parameters import Training
from tasks.sample.draw import draw_sample
from tasks.training import loop
from tasks.training.batches import ImageExamples
from tasks.training.loop import FitPlan, Fitting
from tests.bench.measure import best_rate

BATCH_A_GPU = 128
SIZE = 150


def epoch_rate(examples: ImageExamples, gpus: list[str], precision: str) -> float:
    """Images a second of the CNN's training epochs on these GPUs, at a fixed batch for each."""
    loop.set_precision(precision)
    strategy = tf.distribute.MirroredStrategy(gpus)
    recipe = Training(models=("cnn",), batch_size=BATCH_A_GPU * len(gpus))

    def build() -> keras.Model:
        return architectures.submodel_up_to(architectures.build_cnn(6, SIZE, 0.5), "logits")

    plan = FitPlan("lamb", recipe.epochs, recipe.batch_size, 1e-2, recipe, rank=0, world_size=1)
    fitting = Fitting(build, strategy, plan, len(examples.labels))
    loss, _ = fitting.run_epoch(examples, 1, training=True)
    if not np.isfinite(loss):
        sys.exit(f"{precision} on {len(gpus)} GPUs: the loss is {loss}")
    return best_rate(lambda: fitting.run_epoch(examples, 2, training=True), len(examples.labels))


def main() -> None:
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if not gpus:
        sys.exit(
            "TensorFlow sees no GPU here (`make setup LOCK=requirements-gpu.lock` installs its libraries)."
        )
    with tempfile.TemporaryDirectory() as folder:
        draw_sample(str(Path(folder, "images")), images_per_class=1000)
        manifest = list_images.fn(f"{folder}/images", f"{folder}/store", SIZE, 0.1)
        dataset = commit_dataset.fn(manifest, [decode_part.fn(part) for part in plan_parts(manifest)], 1.0)
        examples = ImageExamples(dataset.split("train"), Training().cnn.augmentation, 0)
        for precision in ("float32", "bfloat16"):
            one = epoch_rate(examples, gpus[:1], precision)
            every = epoch_rate(examples, gpus, precision)
            share = every / (one * len(gpus))
            print(
                f"{precision}: {one:,.0f} images/s on one GPU, {every:,.0f} on {len(gpus)} ({share:.2f} each)"
            )


if __name__ == "__main__":
    main()
