"""Settings, read once from MINAMOTO_* environment variables and checked. docs/operate.md lists each.

Nothing else reads the environment.
"""

from functools import lru_cache
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tracker.errors import Invalid


class Settings(BaseSettings):
    """One installation's settings; each field is the variable MINAMOTO_<NAME IN CAPITALS>."""

    model_config = SettingsConfigDict(env_prefix="MINAMOTO_", extra="ignore", frozen=True)

    database_url: str = Field(
        "sqlite:///minamoto.sqlite3", description="SQLAlchemy URL: sqlite:/// or postgresql+psycopg://"
    )
    secret_key: str = Field(
        "", description="signs log-in cookies; at least 32 characters; made and kept beside SQLite if empty"
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL",
        description="FULL: an answered hit survives a power cut; NORMAL: it survives a crash of the process",
    )
    max_hit_age_days: int = Field(7, ge=1, le=365, description="hits from browsers older than this are refused")
    max_beacon_bytes: int = Field(65_536, ge=1_024, le=1_048_576, description="larger beacons are refused")
    fold_interval_s: float = Field(1.0, ge=0.05, le=60, description="how long the work loop rests when no hit waits")
    fold_batch: int = Field(1_000, ge=1, le=20_000, description="hits folded in one transaction at the most")
    trusted_proxies: int = Field(
        0, ge=0, le=5, description="how many proxies in front may set X-Forwarded-For and -Proto"
    )
    secure_cookies: bool = Field(False, description="log-in cookie only over https; set it whenever https is in front")
    demo: bool = Field(False, description="serve the demo company's site under /demo/ (set by `minamoto demo`)")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process; raises Invalid for a value that a setting cannot have."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        name = "MINAMOTO_" + str(wrong["loc"][0]).upper()
        raise Invalid(f"{name} is {str(wrong['input'])[:40]!r}: {wrong['msg']}") from None
