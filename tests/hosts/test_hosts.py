"""Machines that lose power or their link, servers that go away: a job comes to what it would have come to."""

import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pyarrow as pa
import pytest

from tests.faults.processes import PATIENCE_SECONDS, command_of, runs, until
from tests.hosts.ground import CLASSIFY, Ground, does
from tests.hosts.machines import Machine, interrupt

pytestmark = pytest.mark.hosts
CUT_SECONDS, REFUSAL_SECONDS, HANG_SECONDS, PREFECT_SECONDS = 45, 20, 60, 120
ENDED_SECONDS = 90.0  # Ray alone ends what is left, within a minute or so
WORK = ("RayTrainWorker", "TrainController", "train", "classify")
Fault = Callable[[Ground, Machine], None]


@pytest.fixture(autouse=True)
def all_well(ground: Ground) -> Iterator[None]:
    yield
    ground.mend()


@pytest.fixture(scope="session")
def weights(ground: Ground) -> str:
    """A digest of the weights of a retraining that nothing disturbs."""
    ground.finish(ground.retrain("undisturbed"))
    return ground.weights("undisturbed")


@pytest.fixture(scope="session")
def rows(ground: Ground) -> pa.Table:
    """The rows of a classification that nothing disturbs."""
    ground.finish(ground.classify("undisturbed-rows"))
    return ground.rows("undisturbed-rows")


def lose_power(ground: Ground, host: Machine) -> None:
    host.lose_power()


def lose_power_and_come_back(ground: Ground, host: Machine) -> None:
    host.lose_power()
    ground.revive(host)


def cut_the_link(ground: Ground, host: Machine) -> None:
    """Whether the node is lost meanwhile is a matter of a few seconds; if so it says that it is one again."""
    host.cut()
    time.sleep(CUT_SECONDS)
    host.mend()


def kill_the_raylet(ground: Ground, host: Machine) -> None:
    [raylet] = [process for process in host.processes() if process.name() == "raylet"]
    host.forget()
    raylet.kill()


def prefect(ground: Ground) -> psutil.Process:
    [server] = [process for process in ground.a.processes() if "deployments.server" in command_of(process)]
    return server


def kill_prefect_and_the_raylet(ground: Ground, host: Machine) -> None:
    prefect(ground).kill()
    kill_the_raylet(ground, host)


def hang(server: psutil.Process, seconds: float) -> None:
    server.suspend()
    time.sleep(seconds)
    server.resume()


def hang_prefect(ground: Ground, host: Machine) -> None:
    hang(prefect(ground), PREFECT_SECONDS)


def hang_storage(ground: Ground, host: Machine) -> None:
    [server] = psutil.Process(ground.s3.pid).children()
    hang(server, HANG_SECONDS)


def refuse_all_then_a_tenth(ground: Ground, host: Machine) -> None:
    """What storage is asked for: `mend` ends it."""
    ground.away.write_text("1:403")
    time.sleep(REFUSAL_SECONDS)
    ground.away.write_text("10:503")


def kill_for_memory(ground: Ground, host: Machine) -> None:
    """Have Ray kill what works: the workers of a training, its controller and its task, or those of rows."""
    hosts = (ground.a, ground.b, ground.c)
    victims = [process for host in hosts for process in host.processes() if is_work(process)]
    assert victims
    for host in hosts:
        host.run_out_of_memory()
    until(lambda: not any(map(runs, victims)))
    for host in hosts:
        host.have_memory()


def is_work(process: psutil.Process) -> bool:
    return any(f"ray::{work}" in command_of(process) for work in WORK)


FAULTS = (
    lose_power,
    lose_power_and_come_back,
    cut_the_link,
    kill_prefect_and_the_raylet,
    hang_prefect,
    hang_storage,
    refuse_all_then_a_tenth,
    kill_for_memory,
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_retraining_ends_in_the_weights_of_an_undisturbed_one(ground: Ground, weights: str, fault: Fault):
    store = f"retrain-{fault.__name__}"
    process = ground.retrain(store)
    ground.reach(process, lambda: ground.epochs(store) > 2)
    fault(ground, next(host for host in (ground.c, ground.b) if does(host, "RayTrainWorker")))
    ground.finish(process)
    assert ground.weights(store) == weights


@pytest.mark.parametrize("fault", FAULTS)
def test_a_classification_gives_the_rows_of_an_undisturbed_one(ground: Ground, rows: pa.Table, fault: Fault):
    output = f"rows-{fault.__name__}"
    process = ground.classify(output)
    ground.reach(process, lambda: ground.parts(output) and does(ground.c, "classify"))
    fault(ground, ground.c)
    ground.finish(process)
    assert ground.rows(output).equals(rows)


def test_nodes_come_back_to_a_stack_that_lost_its_machine_and_its_run_is_resumed(
    ground: Ground, weights: str
):
    ground.retrain("retrain-head")
    until(lambda: ground.epochs("retrain-head") > 2)
    for host in (ground.b, ground.c):
        host.forget()
    ground.a.lose_power()
    ground.a.boot()
    ground.up()
    ground.mend()
    ground.finish(ground.retrain("retrain-head", "--resume", ground.name_of_run("retrain-head")))
    assert ground.weights("retrain-head") == weights


def test_a_retraining_whose_driver_lost_its_machine_is_resumed(ground: Ground, weights: str):
    ground.retrain("retrain-driver", host=ground.b)
    until(lambda: ground.epochs("retrain-driver") > 2)
    ground.b.lose_power()
    ground.finish(ground.retrain("retrain-driver", "--resume", ground.name_of_run("retrain-driver")))
    assert ground.weights("retrain-driver") == weights


def test_a_classification_whose_driver_lost_its_machine_is_run_again(ground: Ground, rows: pa.Table):
    ground.classify("rows-driver", host=ground.b)
    until(lambda: ground.parts("rows-driver"))
    ground.b.lose_power()
    ground.finish(ground.classify("rows-driver"))
    assert ground.rows("rows-driver").equals(rows)


def test_a_node_ends_what_ray_left_even_where_nobody_reaps(ground: Ground):
    before = ground.c.processes()
    kill_the_raylet(ground, ground.c)
    ground.mend()
    assert not [process for process in before if "ray::" in command_of(process) and runs(process)]
    interrupt(ground.joined["C"], signal.SIGTERM)
    assert ground.joined["C"].wait(60) == 0
    assert not [process for process in ground.c.processes() if runs(process)]
    ground.c.lose_power()  # `mend` has it back


def test_a_killed_command_leaves_nothing_that_runs_even_where_nobody_reaps(ground: Ground):
    before = {process.pid for process in ground.d.processes()}
    command = [*CLASSIFY, "--output", "s3://bucket/rows-alone"]
    process = ground.d.darkroom(*command, environment=ground.cloud)
    until(lambda: does(ground.d, "classify"), seconds=PATIENCE_SECONDS)
    interrupt(process, signal.SIGKILL)

    def left() -> list[str]:
        others = [process for process in ground.d.processes() if process.pid not in before]
        return [command_of(process) for process in others if runs(process)]

    until(lambda: not left(), seconds=ENDED_SECONDS)
