"""How parameters look as a form in the Prefect UI: titles, and groups that start closed."""

import re
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

KEEP, CHANGE = "As set up", "Change"  # the tabs of a group
MORE = "more"  # the form's name of a group for what few change


def _title(name: str, _: object) -> str:
    """The form's words for a parameter."""
    title = name.replace("_", " ")
    for short, word in {"gpus": "GPUs", "cpus": "CPUs", "cnn": "CNN", "mobilenet v2": "MobileNetV2"}.items():
        title = re.sub(rf"\b{short}\b", word, title)
    return title[0].upper() + title[1:]


FORM = ConfigDict(frozen=True, extra="forbid", field_title_generator=_title, title=CHANGE)


def _fold(group: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a group that starts closed.

    Prefect's UI can fold nothing, but draws a choice as tabs: the first of these, for null, has no fields.
    """
    return {"anyOf": [{"type": "null", "title": KEEP}, group]}


class _Fold:
    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return _fold(handler(schema))


_Group = TypeVar("_Group", bound=BaseModel)
Folded = Annotated[
    _Group,
    BeforeValidator(lambda value: {} if value is None else value),
    _Fold(),
    Field(json_schema_extra={"default": None}),
]


def unfold(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a form with those of its group MORE beside the others."""
    return {name: value for name, value in values.items() if name != MORE} | (values.get(MORE) or {})


class FewShown(BaseModel):
    """Parameters of which the form shows the `shown` ones, the others in a group MORE that starts closed.

    Other callers give all of them side by side, as the fields are.
    """

    shown: ClassVar[tuple[str, ...]]

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, values: Any) -> Any:
        return unfold(values) if isinstance(values, dict) else values

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(schema)
        form = handler.resolve_ref_schema(reference)
        fields = form["properties"]
        rest = {name: field for name, field in fields.items() if name not in cls.shown}
        group = {"type": "object", "title": CHANGE, "additionalProperties": False, "properties": rest}
        words = {"title": "More", "description": "What few people change.", "default": None}
        form["properties"] = {name: fields[name] for name in cls.shown} | {MORE: _fold(group) | words}
        form["additionalProperties"] = True
        return reference
