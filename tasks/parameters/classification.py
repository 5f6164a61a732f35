"""Parameters of a bulk classification, and of what is made of a version elsewhere."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from tasks.form import FORM
from tasks.parameters.words import Globs, Word

Engine = Literal["exact", "int8"]
ExportFormat = Literal["savedmodel", "litert", "onnx"]


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
