"""Parameters of a dataset: where labels come from, and how images are divided and become squares."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from tasks.form import FORM
from tasks.parameters.words import Word, split_commas

Leakage = Literal["exclude", "report"]
Fit = Literal["squeeze", "pad", "crop"]
FIT_WORDS = {"pad": "padded with grey to squares", "crop": "cropped to the square in their middle"}
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
        "columns path and label, and perhaps split, group and time; or an export of Label Studio, or COCO "
        "annotations of one category an image.",
    )
    labels_columns: Annotated[
        tuple[str, ...], BeforeValidator(split_commas), AfterValidator(_check_columns)
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
