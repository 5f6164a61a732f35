"""What a machine's stack is told by its environment, as DARKROOM_* variables."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Settings(BaseSettings):
    """Where the stack keeps its things, what its deployments work on, and where it can be reached."""

    model_config = SettingsConfigDict(env_prefix="DARKROOM_", frozen=True)

    home: Path = Field(
        Path("darkroom"), description="Folder of the stack: database, logs, and what is not set below."
    )
    images: str | None = Field(
        None, description="Labelled images that the deployments train on; without it the run form asks."
    )
    inbox: str | None = Field(
        None, description="Images that the deployments classify; without it the run form asks."
    )
    store: str | None = Field(None, description="Datasets, runs and models; by default `store` in the home.")
    predictions: str | None = Field(None, description="Predictions; by default `predictions` in the home.")
    weights: str = Field("imagenet", description="What MobileNetV2 starts from in the deployments.")
    host: str = Field("127.0.0.1", description="Address that the UI and Ray listen on.")
    port: int = Field(4200, ge=1, le=65_535, description="Port of the Prefect server and its UI.")
    ray_port: int = Field(6379, ge=1, le=65_535, description="Port of the Ray head.")
    password: SecretStr | None = Field(
        None, description="Password of the UI (user `admin`) and token of Ray; needed beyond loopback."
    )
    database: SecretStr | None = Field(
        None, description="Such as postgresql+asyncpg://user:password@host/prefect; by default SQLite."
    )

    @model_validator(mode="after")
    def _guarded_beyond_loopback(self) -> Self:
        if self.host not in LOOPBACK and not self.password:
            raise ValueError("DARKROOM_PASSWORD is needed where DARKROOM_HOST is not loopback")
        return self

    @property
    def folder(self) -> Path:
        return self.home.expanduser().absolute()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What Prefect, Ray and `prefect deploy` are told, but for what they start with already."""
        found = {
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_SERVER_UI_API_URL": f"{self.url}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "RAY_ADDRESS": f"{self.host}:{self.ray_port}",
            "DARKROOM_IMAGES": self.images,
            "DARKROOM_INBOX": self.inbox,
            "DARKROOM_STORE": self.store or str(self.folder / "store"),
            "DARKROOM_PREDICTIONS": self.predictions or str(self.folder / "predictions"),
            "DARKROOM_WEIGHTS": self.weights,
        }
        if self.database:
            found["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self.database.get_secret_value()
        if self.password:
            word = self.password.get_secret_value()
            found |= dict.fromkeys(
                ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"), f"admin:{word}"
            )
            found |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": word}
        return {name: value for name, value in found.items() if value is not None}
