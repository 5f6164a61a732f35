"""Parameters of a training: the models, and how each of them is trained."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, Field

from tasks.form import FORM, FewShown, Folded
from tasks.parameters.words import Word, split_commas

ModelKind = Literal["cnn", "mobilenet_v2"]
Balance = Literal["none", "loss", "sample"]
UNEVEN = 3  # times as many images in the largest class as in the smallest


class Augmentation(BaseModel):
    """How training images are varied, each epoch anew."""

    model_config = FORM

    flip: bool = Field(False, description="Mirror half of the images, left to right.")
    shift: float = Field(0.0, ge=0, le=0.5, description="Largest shift, as a share of the side.")
    rotation: float = Field(0.0, ge=0, le=180, description="Largest rotation, in degrees either way.")


class CnnAugmentation(Augmentation):
    flip: bool = Field(True, description="Mirror half of the images, left to right.")
    shift: float = Field(0.1, ge=0, le=0.5, description="Largest shift, as a share of the side.")


class MobilenetAugmentation(CnnAugmentation):
    rotation: float = Field(10.0, ge=0, le=180, description="Largest rotation, in degrees either way.")


class CnnParameters(BaseModel):
    """How the CNN is trained."""

    model_config = FORM

    learning_rate: float = Field(1e-2, gt=0, description="Peak learning rate, under LAMB.")
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout of the flattened activations.")
    mixup: float = Field(
        0.1,
        ge=0,
        le=10,
        description="How far training images are mixed in pairs (alpha of Beta); 0 for not at all.",
    )
    augmentation: Folded[CnnAugmentation] = Field(
        CnnAugmentation(), description="How training images are varied, each epoch anew."
    )

    uses_weights: ClassVar[bool] = False

    def extra_epochs(self, weights: str) -> int:  # noqa: ARG002
        """Epochs that come on top of those of every kind."""
        return 0


class MobilenetParameters(BaseModel):
    """How MobileNetV2 is trained."""

    model_config = FORM

    learning_rate: float = Field(
        1e-3, gt=0, description="Peak learning rate of the head; of all of it where weights are none."
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout under the head.")
    mixup: float = Field(
        0.2, ge=0, le=10, description="How far activations are mixed while fine-tuning; 0 for not at all."
    )
    augmentation: Folded[MobilenetAugmentation] = Field(
        MobilenetAugmentation(), description="How the views of an image differ."
    )
    views: int = Field(
        4, ge=1, le=32, description="Views of each training image that the frozen part is computed of."
    )
    fine_tune_epochs: int = Field(
        4, ge=0, le=10_000, description="Epochs of fine-tuning the last blocks; 0 leaves them frozen."
    )
    fine_tune_learning_rate: float = Field(5e-4, gt=0, description="Peak learning rate of the fine-tuning.")

    uses_weights: ClassVar[bool] = True

    def extra_epochs(self, weights: str) -> int:
        """Epochs that come on top of those of every kind."""
        return 0 if weights == "none" else self.fine_tune_epochs


class Training(FewShown):
    """How the models are trained."""

    model_config = FORM
    shown: ClassVar[tuple[str, ...]] = ("models", "epochs", "weights", "cnn", "mobilenet_v2")

    models: Annotated[tuple[ModelKind, ...], BeforeValidator(split_commas)] = Field(
        ("cnn", "mobilenet_v2"), min_length=1, description="The models to train: cnn, mobilenet_v2 or both."
    )
    epochs: int = Field(20, ge=1, le=10_000, description="Epochs at most; early stopping may end sooner.")
    weights: Word = Field(
        "imagenet", description="What MobileNetV2 starts from: imagenet, none, or the path of a weights file."
    )
    image_size: int = Field(150, ge=32, le=1024, description="Side of the square images, in pixels.")
    workers: int = Field(1, ge=1, le=1024, description="Training workers, on any mix of nodes.")
    gpus_per_worker: int | None = Field(
        None, ge=0, le=64, description="GPUs of each worker; by default all that the cluster can give it."
    )
    batch_size: int = Field(128, ge=1, le=65_536, description="Images a step, over all workers.")
    patience: int = Field(
        5,
        ge=1,
        description="Epochs without a lower validation loss before stopping, from half of the epochs on.",
    )
    seed: int = Field(0, ge=0, description="Seed of shuffling, augmentation and initial weights.")
    val_share: float = Field(
        0.1, gt=0, lt=1, description="Share of train drawn as validation where there is no val folder."
    )
    balance: Balance = Field(
        "loss",
        description=f"Where the largest class has {UNEVEN} times as many training images as the smallest: "
        "rare classes count for more in the loss, or are drawn as often (sample), or none of it.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic of the training; auto measures which is fastest here."
    )
    cnn: Folded[CnnParameters] = Field(CnnParameters(), description="How the CNN is trained.")
    mobilenet_v2: Folded[MobilenetParameters] = Field(
        MobilenetParameters(), description="How MobileNetV2 is trained."
    )

    @property
    def uses_weights(self) -> bool:
        """Whether a kind that is trained starts from `weights`."""
        return any(getattr(self, kind).uses_weights for kind in self.models)

    def epochs_of(self, kind: ModelKind) -> int:
        """Epochs at most, those of fine-tuning included."""
        return self.epochs + getattr(self, kind).extra_epochs(self.weights)
