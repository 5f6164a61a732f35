"""Kinds of values that several groups of parameters have."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints


def split_commas(names: Any) -> Any:
    """`--models cnn,mobilenet_v2` reaches us as one word; the form sends a list. Repeats are dropped."""
    if isinstance(names, str | list | tuple):
        words = [names] if isinstance(names, str) else names
        parts = [part for word in words for part in (word.split(",") if isinstance(word, str) else [word])]
        parts = [part.strip() if isinstance(part, str) else part for part in parts]
        return list(dict.fromkeys(parts))
    return names


def check_text(value: Any) -> Any:
    """No record, form or page can hold other text; pydantic's own words do not say what to do."""
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("must be a path in UTF-8: link to it from one and give that")
    return value


Word = Annotated[str, BeforeValidator(check_text), StringConstraints(min_length=1)]
Globs = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
MaxBadShare = Annotated[float, Field(ge=0, le=1)]
