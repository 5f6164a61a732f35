import tasks  # noqa: F401 - before Prefect, whose client would send telemetry
