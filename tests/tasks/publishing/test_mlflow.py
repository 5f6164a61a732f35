"""What MLflow is told of a test, without a server."""

from tasks.pages import METRICS
from tasks.publishing.mlflow import named_metrics, track
from tasks.storage import Run
from tests.tasks.pages import records


def test_mlflow_gets_every_metric_of_the_table_under_its_key():
    test = records.metrics()["test"]
    named = named_metrics(test)
    assert set(named) == {
        *(f"test_{metric.key}" for metric in METRICS),
        "test_accuracy_low",
        "test_accuracy_high",
    }
    assert (named["test_accuracy"], named["test_accuracy_low"]) == (test["accuracy"], test["low"])
    assert named["test_ece"] == test["ece"]


def test_a_metric_that_is_undefined_for_the_test_images_is_left_out():
    named = named_metrics(records.metrics(every_class_tested=False)["test"])
    assert "test_roc_auc" not in named
    assert "test_accuracy" in named


def test_a_password_in_the_servers_address_gets_into_no_log(store: str, monkeypatch, caplog):
    """Lines of the log are shown in the terminal, and kept in Prefect's database."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://admin:secret@127.0.0.1:9/mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    track.fn(Run("run", store), [], [])
    assert "http://127.0.0.1:9/mlflow" in caplog.text
    assert "secret" not in caplog.text
