"""What runs are called in the Prefect UI and in the store."""

import pytest
from prefect import flow
from prefect.runtime import flow_run
from prefect.utilities.names import generate_slug

from flows.naming import is_made_up, run_name, run_title


@flow(name="retrain", flow_run_name=run_title)
def train(images: str, resume: str | None = None) -> tuple[str, str]:
    return flow_run.name, run_name()


def test_a_run_has_one_name_in_prefect_and_in_the_store(prefect_api: None):
    in_prefect, in_store = train("images")
    assert in_prefect == in_store
    assert train("images", resume="2026-11-22T03-00-00-abcd")[0] == "2026-11-22T03-00-00-abcd"


@pytest.mark.parametrize(
    "name", ["night-run", "larger batches", "retrain", "brave-new-falcon", "Small-batches"]
)
def test_a_name_that_a_person_typed_is_told_from_one_made_up(name: str):
    assert not is_made_up(name)
    assert all(is_made_up(generate_slug(2)) for _ in range(100))
    assert is_made_up("phi493-zetar-anomaly") and is_made_up("alpha6-apodis") and is_made_up("zeta-vico")
    assert is_made_up("Practical-Akita") and is_made_up("Awesome-Ox")
