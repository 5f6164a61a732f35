"""The settings of a stack on one machine, read from DARKROOM_* variables."""

import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Self

from prefect.client.schemas.schedules import CronSchedule
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from deployments.services import (
    LOOPBACK,
    LOOPBACK_NAMES,
    RAY_HIDE_GPUS,
    RAY_ONE_MACHINE,
    RAY_WORKER_PORTS,
    USER,
    guards,
)
from tasks import storage
from tasks.errors import InputError
from tasks.storage import REVIEW, SERVED

POOL = "darkroom"
CLIENT_RETRIES = "8"  # after 2, 4, 8 ... seconds: a server that restarts for minutes fails no run
LEASES = "prefect.server.concurrency.lease_storage.filesystem"  # in memory, a restarted server forgets them
PASSWORD_BYTES = 24


class Settings(BaseSettings):
    """Where the stack keeps its things, what its deployments work on, and where it can be reached."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True)

    home: Path = Field(
        Path("darkroom"), description="Folder of the stack: database, logs, and what is not set below."
    )
    images: str | None = Field(
        None, description="Labelled images that the deployments train on; by default `images` in the home."
    )
    inbox: str | None = Field(
        None, description="Images that the deployments classify; by default `inbox` in the home."
    )
    store: str | None = Field(None, description="Datasets, runs and models; by default `store` in the home.")
    predictions: str | None = Field(None, description="Predictions; by default `predictions` in the home.")
    weights: str = Field("imagenet", description="What MobileNetV2 starts from in the deployments.")
    retrain_cron: str = Field("0 2 * * *", description="When `retrain/nightly` runs.")
    classify_cron: str = Field("0 5 * * *", description="When `classify/nightly` runs.")
    retrain_answers: int = Field(
        25, ge=1, description="Answers in the review that start `retrain/on-demand`."
    )
    timezone: str = Field("Europe/Berlin", description="Time zone of both.")
    host: str = Field(LOOPBACK, description="Address that the UI, the reports and Ray listen on.")
    port: int = Field(4200, ge=1, le=65_535, description="Port of the Prefect server and its UI.")
    ray_port: int = Field(6379, ge=1, le=65_535, description="Port of the Ray head.")
    files_port: int = Field(4201, ge=1, le=65_535, description="Port of the reports and the review page.")
    password: SecretStr | None = Field(
        None, description="Password of the UI (user `admin`) and token of Ray; by default made up and kept."
    )
    database: SecretStr | None = Field(
        None, description="Such as postgresql+asyncpg://user:password@host/prefect; by default SQLite."
    )
    notify: SecretStr | None = Field(
        None,
        description="Webhook (Slack, Mattermost and the like), told of drift and of runs that fail or crash.",
    )

    @field_validator("ray_port")
    @classmethod
    def _outside_of_rays_workers(cls, port: int) -> int:
        if port in RAY_WORKER_PORTS:
            raise ValueError("must not be one of 10002 to 19999, which Ray keeps for its workers")
        return port

    @field_validator("retrain_cron", "classify_cron", "timezone")
    @classmethod
    def _known_to_prefect(cls, value: str, field: ValidationInfo) -> str:
        """Refuse what the server would refuse while deploying, in pages."""
        is_zone = field.field_name == "timezone"
        try:
            CronSchedule(**{"cron": "0 0 * * *", "timezone" if is_zone else "cron": value})
        except ValidationError:
            what = "a time zone such as Europe/Berlin" if is_zone else "a cron line such as 0 2 * * *"
            raise ValueError(f"must be {what}") from None
        return value

    @model_validator(mode="after")
    def _different_ports(self) -> Self:
        if len({self.port, self.ray_port, self.files_port}) < 3:
            raise ValueError(
                "DARKROOM_PORT, DARKROOM_RAY_PORT and DARKROOM_FILES_PORT must be different. "
                f"Received: {self.port}, {self.ray_port}, {self.files_port}"
            )
        return self

    @model_validator(mode="after")
    def _reached_by_one_name(self) -> Self:
        if self.host in ("", "0.0.0.0") or ":" in self.host:
            raise ValueError(
                "DARKROOM_HOST must be the name or IPv4 address that browsers and nodes reach this "
                "machine by. "
                f"Received: {self.host!r}"
            )
        return self

    @property
    def folder(self) -> Path:
        return self.home.expanduser().absolute()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def files_url(self) -> str:
        return f"http://{self.host}:{self.files_port}"

    @property
    def review_url(self) -> str:
        return f"{self.files_url}/{REVIEW}/"

    @property
    def places(self) -> dict[str, str]:
        """URLs of images, inbox, store and predictions."""
        urls = {
            "images": self.images,
            "inbox": self.inbox,
            "store": self.store,
            "predictions": self.predictions,
        }
        return {name: storage.absolute(url or str(self.folder / name)) for name, url in urls.items()}

    @property
    def located_weights(self) -> str:
        """What MobileNetV2 starts from; a path made absolute, since flows run in folders of their own."""
        return self.weights if self.weights in ("imagenet", "none") else storage.absolute(self.weights)

    @property
    def served(self) -> dict[str, str]:
        """The places on local disks whose reports the file server shows."""
        return {name: self.places[name] for name in SERVED if storage.is_local(self.places[name])}

    @property
    def password_file(self) -> Path:
        """Where the password is kept that is made up when none is given."""
        return self.folder / "password"

    @cached_property
    def login(self) -> tuple[str, str]:
        """User and password of the UI and the reports; the password is Ray's token too."""
        return (USER, self.password.get_secret_value() if self.password else kept_secret(self.password_file))

    @property
    def deployed(self) -> dict[str, str]:
        """The variables that prefect.yaml asks for."""
        return {
            **{f"DARKROOM_{name.upper()}": url for name, url in self.places.items()},
            "DARKROOM_WEIGHTS": self.located_weights,
            "DARKROOM_RETRAIN_CRON": self.retrain_cron,
            "DARKROOM_CLASSIFY_CRON": self.classify_cron,
            "DARKROOM_TIMEZONE": self.timezone,
            "DARKROOM_REPORTS": self.way_to_reports,
        }

    @property
    def way_to_reports(self) -> str:
        """A link to the store's page for those who read of a deployment; empty where no stack serves it."""
        server = os.environ.get("DARKROOM_FILES_URL")
        return f"[All that happened]({server}/)" if server and "store" in self.served else ""

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for Prefect, Ray and `prefect deploy`."""
        variables = {
            "DARKROOM_HOME": str(self.folder),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_SERVER_UI_API_URL": f"{self.url}/api",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_UI_V2_ENABLED": "true",  # of the two UIs the one of our tests and pictures
            "PREFECT_CLIENT_MAX_RETRIES": CLIENT_RETRIES,
            "RAY_ADDRESS": f"{self.host}:{self.ray_port}",
            RAY_HIDE_GPUS: "1",
            RAY_ONE_MACHINE: "0" if self.host in LOOPBACK_NAMES else "1",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.login[1],
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # no other node takes over: 30 s for nothing
            "DARKROOM_FILES_URL": self.files_url,
            **self.deployed,
        }
        if self.database:
            variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self.database.get_secret_value()
        return variables | guards(self.url, self.login) | {"PREFECT_API_AUTH_STRING": ":".join(self.login)}


def own_folder(folder: Path) -> None:
    """Make a folder where it is not there. Raises InputError for one that others own or may write to.

    Prefect's database lies in it: one that they put there would say what is run.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    storage.check_own(folder.resolve(), "`chmod go-w` it, or set DARKROOM_HOME to a folder of your own")


def kept_secret(path: Path) -> str:
    """A secret that only this user can read; made up, and kept, when there is none yet.

    Raises InputError when others could read or write it.
    """
    own_folder(path.parent)
    with (
        suppress(FileExistsError),
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
    ):
        file.write(secrets.token_urlsafe(PASSWORD_BYTES))
    status = path.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise InputError(
            f"The password in {str(path)!r} must be yours, of mode 0600: remove the file, and another "
            f"is made up. Received: owner {status.st_uid}, mode {status.st_mode & 0o777:04o}."
        )
    if not (secret := path.read_text().strip()):
        raise InputError(
            f"The password in {str(path)!r} must not be empty: remove the file, and one is made up."
        )
    return secret
