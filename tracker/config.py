"""Settings, read once from MINAMOTO_* environment variables and checked. docs/operate.md lists each.

Nothing else reads the environment.
"""

from functools import lru_cache
from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tracker.errors import Invalid

SECRETS = ("metrics_token", "secret_key", "smtp_url", "twilio_auth_token")
ADDRESS = r"[^\s<>@,;:\"]+@[^\s<>@,;:\"]+"


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
    fold_interval_s: float = Field(0.25, ge=0.05, le=60, description="how long the work loop rests when no hit waits")
    fold_batch: int = Field(500, ge=1, le=20_000, description="hits folded in one transaction at the most")
    commit_hits: int = Field(512, ge=1, le=10_000, description="hits that share one commit at the most")
    commit_wait_ms: float = Field(
        0,
        ge=0,
        le=1_000,
        description="how long a commit waits for company; 0: it has what came during the last one",
    )
    queue_beacons: int = Field(4_096, ge=1, le=1_000_000, description="beacons that may wait for their commit")
    queue_mb: int = Field(32, ge=1, le=4_096, description="megabytes that the waiting beacons may take")
    answer_within_s: float = Field(
        5.0, ge=0.1, le=60, description="a beacon that is not committed by then is answered 503"
    )
    rate_per_address: float = Field(
        50, ge=0, le=1_000_000, description="hits a second of one address, ten seconds' worth at once; 0: no limit"
    )
    rate_per_site: float = Field(
        0, ge=0, le=10_000_000, description="hits a second of one site, ten seconds' worth at once; 0: no limit"
    )
    trusted_proxies: str = Field(
        "", description="proxies in front that may say who asks, as addresses and networks: 127.0.0.1,10.0.0.0/8"
    )
    hit_retention_days: int = Field(
        760, ge=0, le=36_500, description="page views older than this leave the journal; 0: none ever does"
    )
    paths_mb: int = Field(
        512,
        ge=0,
        le=1_048_576,
        description="megabytes in which each serving process keeps conversions and their paths; 0: keeps none",
    )
    ready_fold_lag_s: float = Field(
        900, ge=0, description="not ready when the oldest waiting hit has waited longer; 0: however long"
    )
    ready_disk_mb: int = Field(
        500, ge=0, description="not ready with less free space at the SQLite file; 0: any will do"
    )
    metrics_token: str = Field(
        "", pattern=r"^(.{16,})?$", description="who bears it reads /metrics; at least 16 characters; empty: nobody"
    )
    twilio_auth_token: str = Field(
        "", description="of the Twilio account: forms to POST /api/v1/calls must bear its signature; empty: need not"
    )
    sendgrid_public_key: str = Field(
        "",
        pattern=r"^([A-Za-z0-9+/]{80,400}={0,2})?$",
        description="of SendGrid's signed event webhook: posts to /api/v1/mail/sendgrid must bear its signature",
    )
    smtp_url: str = Field(
        "",
        pattern=r"^(smtps?://[^\s/?#]+)?$",
        description="mail server for reports by mail: smtp://user:password@host:587, or smtps://; empty: none are sent",
    )
    mail_from: str = Field(
        "",
        max_length=300,
        pattern=rf"^({ADDRESS}|[^\r\n<>@\"]+ <{ADDRESS}>)?$",
        description="who mails are from: reports@example.com, or Minamoto <reports@example.com>",
    )
    base_url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="where people open this installation, for the links in mails: https://minamoto.example.com",
    )
    webhook_private: bool = Field(
        False,
        description="webhooks may also go to this machine and to private networks (by http only to this machine)",
    )
    secure_cookies: bool = Field(False, description="log-in cookie only over https; set it whenever https is in front")
    demo: bool = Field(False, description="serve the demo company's site under /demo/ (set by `minamoto demo`)")

    @field_validator("trusted_proxies")
    @classmethod
    def check_networks(cls, text: str) -> str:
        """Addresses and networks, or nothing."""
        for one in filter(None, (part.strip() for part in text.split(","))):
            ip_network(one, strict=False)
        return text

    @model_validator(mode="after")
    def check_retention(self) -> Self:
        """A hit that a browser may still bring must not be of a time whose hits are gone."""
        if 0 < self.hit_retention_days <= self.max_hit_age_days:
            raise PydanticCustomError(
                "hit_retention_days",
                "it must be 0 or more than MINAMOTO_MAX_HIT_AGE_DAYS ({days})",
                {"days": self.max_hit_age_days},
            )
        return self

    @model_validator(mode="after")
    def check_mail(self) -> Self:
        """A mail has a sender, and its links lead somewhere."""
        for name in ("mail_from", "base_url"):
            if self.smtp_url and not getattr(self, name):
                raise PydanticCustomError(name, "MINAMOTO_SMTP_URL needs it to be set")
        return self


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process; raises Invalid for a value that a setting cannot have."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        # What concerns two settings is told by the type of the error, under the one that must give way.
        field = str(wrong["loc"][0]) if wrong["loc"] else wrong["type"]
        given = wrong["input"].get(field, "") if isinstance(wrong["input"], dict) else wrong["input"]
        shown = "not shown" if field in SECRETS else repr(str(given)[:40])
        raise Invalid(f"MINAMOTO_{field.upper()} is {shown}: {wrong['msg']}") from None
