"""What a user may choose: drawn as the form in the Prefect UI and as flags on the command line."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from tasks.form import FORM, FewShown, Folded

ModelKind = Literal["cnn", "mobilenet_v2"]
Engine = Literal["exact", "int8"]
Balance = Literal["none", "loss", "sample"]
CompareBy = Literal["accuracy", "macro_recall"]
ExportFormat = Literal["savedmodel", "litert", "onnx"]


def _split_commas(names: Any) -> Any:
    """`--models cnn,mobilenet_v2` reaches us as one word; the form sends a list. Repeats are dropped."""
    if isinstance(names, str | list | tuple):
        words = [names] if isinstance(names, str) else names
        parts = [part for word in words for part in (word.split(",") if isinstance(word, str) else [word])]
        parts = [part.strip() if isinstance(part, str) else part for part in parts]
        return list(dict.fromkeys(parts))
    return names


def _check_text(value: Any) -> Any:
    """No record, form or page can hold other text; pydantic's own words do not say what to do."""
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("must be a path in UTF-8: link to it from one and give that")
    return value


Word = Annotated[str, BeforeValidator(_check_text), StringConstraints(min_length=1)]
Leakage = Literal["exclude", "report"]
Fit = Literal["squeeze", "pad", "crop"]
MaxBadShare = Annotated[float, Field(ge=0, le=1)]
Globs = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
UNEVEN = 3  # times as many images in the largest class as in the smallest
LABEL_COLUMNS = ("path", "label", "split", "group", "time")


def _check_columns(pairs: tuple[str, ...]) -> tuple[str, ...]:
    for pair in pairs:
        ours, _, theirs = pair.partition("=")
        if ours not in LABEL_COLUMNS or not theirs:
            raise ValueError(f"must be such as path=file,label=species, of {', '.join(LABEL_COLUMNS)}")
    return pairs


class Data(BaseModel):
    """Where labels come from, how images are divided among the splits, and how they become squares."""

    model_config = FORM

    labels: Word | None = Field(
        None,
        description="File of labels, which overrules the folders: CSV, Parquet or JSON lines with the "
        "columns path and label, and perhaps split, group and time.",
    )
    labels_columns: Annotated[
        tuple[str, ...], BeforeValidator(_split_commas), AfterValidator(_check_columns)
    ] = Field((), description="Its columns where they have other names, such as `path=file,label=species`.")
    test_share: float = Field(
        0.2, ge=0, lt=1, description="Share drawn as test where there is no test split; 0 draws none."
    )
    group_by: Word | None = Field(
        None,
        description="What no drawn split tears apart: a column of the file of labels, a regular expression "
        r"over the path such as `(site\d+)/`, or `day` (of the photograph, else of the file).",
    )
    newest_as_test: bool = Field(
        False, description="Draw the latest groups or images as test, instead of any."
    )
    fit: Fit = Field(
        "squeeze",
        description="How pictures become squares: squeezed, padded with grey, or cropped to their middle. "
        "The model keeps it for whatever it classifies.",
    )

    @model_validator(mode="after")
    def _columns_are_of_a_file(self) -> Self:
        if self.labels_columns and not self.labels:
            raise ValueError("`labels_columns` are columns of a file: give `labels` too")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """The names that the file of labels gives to our columns, where they were given."""
        pairs = (pair.partition("=") for pair in self.labels_columns)
        return {ours: theirs for ours, _, theirs in pairs}


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
        8, ge=0, le=10_000, description="Epochs of fine-tuning the last blocks; 0 leaves them frozen."
    )
    fine_tune_learning_rate: float = Field(2e-4, gt=0, description="Peak learning rate of the fine-tuning.")

    uses_weights: ClassVar[bool] = True

    def extra_epochs(self, weights: str) -> int:
        """Epochs that come on top of those of every kind."""
        return 0 if weights == "none" else self.fine_tune_epochs


class Training(FewShown):
    """How the models are trained."""

    model_config = FORM
    shown: ClassVar[tuple[str, ...]] = ("models", "epochs", "weights", "cnn", "mobilenet_v2")

    models: Annotated[tuple[ModelKind, ...], BeforeValidator(_split_commas)] = Field(
        ("cnn", "mobilenet_v2"), min_length=1, description="The models to train: cnn, mobilenet_v2 or both."
    )
    epochs: int = Field(35, ge=1, le=10_000, description="Epochs at most; early stopping may end sooner.")
    weights: Word = Field(
        "imagenet", description="What MobileNetV2 starts from: imagenet, none, or the path of a weights file."
    )
    image_size: int = Field(150, ge=32, le=1024, description="Side of the square images, in pixels.")
    workers: int = Field(1, ge=1, le=1024, description="Training workers, on any mix of nodes.")
    gpus_per_worker: int | None = Field(
        None, ge=0, le=64, description="GPUs of each worker; by default all that the cluster can give it."
    )
    batch_size: int = Field(128, ge=1, le=65_536, description="Images a step, over all workers.")
    patience: int = Field(5, ge=1, description="Epochs without a better validation loss before stopping.")
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


class Gate(BaseModel):
    """What a model must reach before it may become the champion."""

    model_config = FORM

    min_accuracy: float = Field(0.5, ge=0, le=1, description="Lowest test accuracy a champion may have.")
    min_class_recall: float = Field(
        0.5, ge=0, le=1, description="Lowest share right of any class's test images."
    )
    min_macro_recall: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Lowest mean of the recalls of all classes, which counts rare ones alike.",
    )
    compare_by: CompareBy = Field(
        "accuracy",
        description="What a challenger must beat the champion in on the same test images: accuracy (p by the "
        "exact McNemar test), or macro recall, which counts rare classes alike (p by a paired permutation "
        "test class by class).",
    )
    max_p_value: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Highest p of that test against the champion: with 0.05 a challenger must be better "
        "beyond chance, with 1 it must only be better on the same test images.",
    )
    worse_p_value: float = Field(
        0.05,
        gt=0,
        le=0.5,
        description="A challenger that knows new classes must only not be worse on the old ones: it is where "
        "the one-sided p of that test is this low; with 0.5, where it gets fewer right.",
    )


class Classification(BaseModel):
    """How a folder is classified."""

    model_config = FORM

    format: Literal["parquet", "csv"] = Field("parquet", description="How the rows are written.")
    min_confidence: float = Field(
        0.0, ge=0, le=1, description="Rows less confident than this get the status `unsure`."
    )
    min_precision: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="The same class by class: rows below the confidence from which on validation this share "
        "of the class's labels was right, such as 0.95. With both, the higher confidence counts.",
    )
    include: Globs = Field(
        (), description="Only files whose path matches one of these, such as `*.jpg,2026/*`."
    )
    exclude: Globs = Field((), description="No files whose path matches one of these.")
    files: Word | None = Field(
        None,
        description="List of the only files to classify: text with a path a line, CSV or JSON; `-` for "
        "standard input.",
    )
    copy_into: Word | None = Field(
        None, description="Local folder to copy the files into, one folder a class in it."
    )
    symlink_into: Word | None = Field(None, description="The same, with links instead of copies.")
    max_vanished_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the rows that may be dropped since their files have gone.",
    )
    replace: bool = Field(
        False, description="Let these images replace others that the output holds the rows of."
    )
    cpus_per_task: int = Field(1, ge=1, le=1024, description="CPUs of each task, all of them used.")
    gpus_per_task: float = Field(
        0.0, ge=0, le=64, description="GPUs of each task; a fraction lets several tasks share one."
    )
    engine: Engine = Field(
        "exact",
        description="`int8`: the model in integers of eight bits, twice as fast on CPUs that multiply "
        "these and nearly as right; the version's card says how nearly.",
    )

    @model_validator(mode="after")
    def _integers_on_cpus(self) -> Self:
        if self.engine == "int8" and self.gpus_per_task:
            raise ValueError("`int8` runs on CPUs: give no `gpus_per_task` with it")
        return self

    @model_validator(mode="after")
    def _one_way_to_sort(self) -> Self:
        if self.copy_into and self.symlink_into:
            raise ValueError("give `copy_into` or `symlink_into`, not both")
        return self

    @property
    def rows_depend_on(self) -> tuple[str | float, ...]:
        """What makes other rows of the same files; newer options only where given, for older outputs."""
        precision = (self.min_precision,) if self.min_precision else ()
        engine = (self.engine,) if self.engine != "exact" else ()
        return self.format, self.min_confidence, *precision, *engine

    @property
    def chooses(self) -> bool:
        return bool(self.include or self.exclude)
