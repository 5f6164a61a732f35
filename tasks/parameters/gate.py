"""Parameters of the gate that a model must pass to become the champion."""

from typing import Literal

from pydantic import BaseModel, Field

from tasks.form import FORM

CompareBy = Literal["accuracy", "macro_recall"]


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
