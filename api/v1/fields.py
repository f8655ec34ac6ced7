"""The kinds of fields that bodies and queries are made of: each checks, cleans and describes itself.

A model's docstring, descriptions and examples are the API's documentation; nothing is written twice.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from tracker.access.sites import clean_host
from tracker.clock import format_instant, parse_day, parse_instant
from tracker.deals.probability import parse_probability, percent_text
from tracker.errors import Invalid, NotFound
from tracker.identity.normalise import company_domain_of, email_of
from tracker.money import LIMIT_MINOR, check_currency
from tracker.urls import clean_text

CONTACT_ID = re.compile("[0-9a-f]{32}")
DAY_AHEAD = timedelta(days=1)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
SAFE_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly
MOST_PROPERTIES = 50
# In a query an unescaped + is a space: 2026-04-01T09:00:00 09:00.
LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)\Z")
CONTROL = r"^[^\x00-\x1f\x7f]*$"


class Body(BaseModel):
    """A JSON body: strict types, no field that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Path(BaseModel):
    """The values in a route's path."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Args(BaseModel):
    """A route's query: no parameter that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str | None = Field(
        None,
        max_length=40,
        pattern=CONTROL,
        description="Key of the site; needed only by a token that serves all of several sites.",
        examples=["demo"],
    )


class Out(BaseModel):
    """A JSON answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def refuse(why: str, field: str = "") -> PydanticCustomError:
    """A value is refused, with a reason that follows the field's name; `field` is one below it."""
    context = {"why": why, **({"field": field} if field else {})}
    return PydanticCustomError("refused", "{why}", context)


def told(check: Callable[[str], Any]) -> Callable[[str], Any]:
    """A check that raises Invalid, as a validator."""

    def validate(value: str) -> Any:
        try:
            return check(value)
        except Invalid as error:
            raise refuse(error.message) from None

    return validate


def not_in_future(at: datetime | None, now: datetime, field: str) -> None:
    """Clocks differ and zones are mixed up, so a day is forgiven; raises Invalid."""
    if at is not None and at > now + DAY_AHEAD:
        raise Invalid(f"{format_instant(at)} is more than a day ahead", field=field)


def id_or_nothing(value: str) -> str:
    """A contact's id; raises NotFound for what can be none."""
    if not CONTACT_ID.fullmatch(value):
        raise NotFound("no such contact")
    return value


def some_text(value: str) -> str:
    """Visible text, trimmed."""
    cleaned = clean_text(value, len(value))
    if cleaned is None:
        raise refuse("is empty")
    return cleaned


def any_text(value: str) -> str | None:
    """Visible text, trimmed; None where nothing is left of it."""
    return clean_text(value, max(len(value), 1))


def instant_of(value: Any) -> datetime:
    """An instant with its offset, not before 1970."""
    if not isinstance(value, str):
        raise refuse("must be text such as 2026-04-01T09:00:00+09:00")
    try:
        at = parse_instant(LOST_PLUS.sub(r"\1+\2", value[:64]))
    except Invalid as error:
        raise refuse(error.message) from None
    if at < EARLIEST:
        raise refuse(f"{value[:40]} is before 1970")
    return at


def amount_of(value: Any) -> str | int | Decimal:
    """An amount in major units as it stands in the JSON; what it is worth depends on the currency."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise refuse('is not an amount; write "1500.00"')
    if isinstance(value, str) and len(value) > 40:
        raise refuse("is not an amount; it has more than 40 characters")
    return value


def percentage_of(value: Any) -> str:
    """A percentage as the journal keeps it: '35.5'."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise refuse('is no percentage; write "35.5"')
    try:
        return percent_text(parse_probability(value))
    except Invalid as error:
        raise refuse(error.message) from None


def email_or_refuse(value: str) -> str:
    """An e-mail address, trimmed and lower-cased."""
    found = email_of(value) if len(value) <= 320 else None
    if found is None:
        raise refuse(f"{value[:40]!r} is not an e-mail address")
    return found


def domain_or_refuse(value: str) -> str | None:
    """A company's registrable domain: 'https://www.tokyo.acme.co.jp/' -> 'acme.co.jp'."""
    if not value.strip():
        return None
    try:
        domain = company_domain_of("@" + clean_host(value))
    except (Invalid, UnicodeError):
        raise refuse(f"{value[:40]!r} is not a domain; write acme.co.jp") from None
    if domain is None:
        raise refuse(f"{value[:40]!r} gives everybody an address; it is no company's domain")
    return domain


def flat_of(value: Any) -> dict[str, str | int | float | bool]:
    """Properties: names to text, numbers or booleans, nothing nested."""
    if not isinstance(value, dict):
        raise refuse("must be an object")
    if len(value) > MOST_PROPERTIES:
        raise refuse(f"has more than {MOST_PROPERTIES} entries")
    found: dict[str, str | int | float | bool] = {}
    for raw, inner in value.items():
        name = clean_text(raw, 60)
        if name is None or len(raw) > 60:
            raise refuse("has a name that is empty or longer than 60 characters")
        found[name] = flat_value(inner, name)
    return found


def flat_value(value: Any, name: str) -> str | int | float | bool:
    """One property's value."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > 500:
            raise refuse("is longer than 500 characters", name)
        return any_text(value) or ""
    if isinstance(value, int | Decimal):
        if value > SAFE_INTEGER or value < -SAFE_INTEGER:
            raise refuse(f"must be between -{SAFE_INTEGER} and {SAFE_INTEGER}", name)
        return int(value) if isinstance(value, int) else float(value)
    raise refuse("must be text, a number, true or false", name)


INSTANT_SCHEMA = {
    "type": "string",
    "format": "date-time",
    "examples": ["2026-04-01T09:00:00+09:00"],
}
Instant = Annotated[datetime, PlainValidator(instant_of), WithJsonSchema(INSTANT_SCHEMA)]
At = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-04-01T00:00:00.000Z"])]
Day = Annotated[
    str,
    Field(max_length=10),
    AfterValidator(told(parse_day)),
    Field(json_schema_extra={"format": "date"}, examples=["2026-04-01"]),
]
Email = Annotated[
    str,
    Field(max_length=320, json_schema_extra={"format": "email"}, examples=["hana@kyoto.example"]),
    AfterValidator(email_or_refuse),
]
Key = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f/]+$"), AfterValidator(some_text)]
ContactId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])]
KnownContact = Annotated[
    str,
    Field(json_schema_extra={"pattern": "^[0-9a-f]{32}$"}, examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"]),
    AfterValidator(id_or_nothing),
]
Domain = Annotated[str, Field(max_length=253, examples=["acme.co.jp"]), AfterValidator(domain_or_refuse)]
Currency = Annotated[str, Field(min_length=3, max_length=3, examples=["JPY"]), AfterValidator(told(check_currency))]
AMOUNT_SCHEMA = {"type": ["string", "number"], "examples": ["1500.00"]}
Amount = Annotated[str | int | Decimal, PlainValidator(amount_of), WithJsonSchema(AMOUNT_SCHEMA)]
PERCENT_SCHEMA = {"type": ["string", "number"], "examples": ["35.5"]}
Percent = Annotated[str, PlainValidator(percentage_of), WithJsonSchema(PERCENT_SCHEMA)]
Minor = Annotated[int, Field(ge=0, le=LIMIT_MINOR)]
Count = Annotated[int, Field(ge=0, le=SAFE_INTEGER)]
FLAT_SCHEMA = {
    "type": "object",
    "maxProperties": MOST_PROPERTIES,
    "additionalProperties": {"type": ["string", "number", "boolean"], "maxLength": 500},
    "examples": [{"plan": "team", "seats": 12, "trial": True}],
}
Flat = Annotated[dict[str, str | int | float | bool], PlainValidator(flat_of), WithJsonSchema(FLAT_SCHEMA)]
Short = Annotated[str, Field(max_length=100), AfterValidator(any_text)]
Line = Annotated[str, Field(max_length=255), AfterValidator(any_text)]
# A stage's internal name; whether the site has it is asked where it is used.
StageName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_]*$")]
Word = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(some_text)]


class ForOne(Args):
    """Whom something personal is for: exactly one of the two."""

    email: Email | None = Field(None, description="Their address.")
    contact: KnownContact | None = Field(None, description="A contact's id.")

    @model_validator(mode="after")
    def is_one(self) -> Self:
        """One of the two."""
        if (self.email is None) == (self.contact is None):
            raise refuse("give email or contact, one of the two", "email")
        return self
