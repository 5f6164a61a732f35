"""The forms of the Prefect UI, as the schemas of the flows draw them."""

from typing import Any

import pytest
from prefect import Flow

from flows.classify import classify
from flows.explore import explore
from flows.retrain import retrain
from tasks.form import KEEP, MORE
from tasks.parameters import Training

Schema = dict[str, Any]


def form(flow: Flow) -> Schema:
    schema = flow.parameters.model_dump()
    return schema["properties"] | {"definitions": schema["definitions"]}


def starts_closed(field: Schema) -> bool:
    """A choice of which Prefect's UIs show the first, that has no fields, since null is the default."""
    first, group = field["anyOf"]
    has_fields = "$ref" in group or group["properties"]
    return field["default"] is None and first == {"type": "null", "title": KEEP} and bool(has_fields)


def test_the_form_shows_what_most_people_change_and_the_rest_in_groups_that_start_closed():
    fields = form(retrain)
    training = fields["definitions"]["Training"]["properties"]
    assert list(fields)[:3] == ["images", "store", "training"]
    assert list(training) == ["models", "epochs", "weights", "cnn", "mobilenet_v2", MORE]
    closed = [fields["gate"], fields["data"], *(training[name] for name in (MORE, "cnn", "mobilenet_v2"))]
    assert all(map(starts_closed, [*closed, form(classify)["options"], form(explore)["data"]]))
    shown = set(training) | set(training[MORE]["anyOf"][1]["properties"])
    assert shown == set(Training.model_fields) | {MORE}


@pytest.mark.parametrize("flow", [retrain, explore, classify])
def test_a_required_field_says_what_it_means_where_a_form_leaves_it_empty(flow: Flow):
    """Prefect's newer form then sends the deployment's value, and does not say so."""
    assert "left empty takes that of the deployment" in form(flow)["images"]["description"].replace("\n", " ")


def test_a_group_that_stays_closed_is_as_set_up_and_one_that_was_opened_is_as_given():
    closed = {"epochs": 3, MORE: None, "cnn": None, "mobilenet_v2": {"views": 2, "augmentation": None}}
    training = Training.model_validate(closed)
    assert training.model_dump(exclude_unset=True) == {
        "epochs": 3,
        "cnn": {},
        "mobilenet_v2": {"views": 2, "augmentation": {}},
    }
    assert training == Training(epochs=3, mobilenet_v2={"views": 2})
    assert Training.model_validate({MORE: {"seed": 7}}) == Training(seed=7)
    with pytest.raises(ValueError, match="seeds"):
        Training.model_validate({MORE: {"seeds": 7}})
