"""(pure) What a report is asked: checked once, here, and frozen.

The API, the pages and the command line all come through `parse_query` (by asking.ask, which knows the site's policy);
nothing below it checks again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol, TypeVar

from tracker.attribution.models import MODELS
from tracker.attribution.policy import SHIPPED, Policy, terms_of
from tracker.attribution.terms import DirectPolicy, Fit, Terms
from tracker.clock import parse_day
from tracker.errors import Invalid
from tracker.money import check_currency
from tracker.reports.catalogue import METRIC
from tracker.vocabulary import Basis, Dimension, Model, PathScope

PARAMETERS = (
    "from",
    "to",
    "by",
    "model",
    "basis",
    "currency",
    "direct",
    "lookback_days",
    "scope",
    "policy",
    "sort",
    "order",
)
MOST_DIMENSIONS = 2
MOST_LOOKBACK_DAYS = 36_500
USUAL_DAYS = 30

Word = TypeVar("Word", bound=StrEnum)


class SiteFacts(Protocol):
    """What a query must know of its site; tracker.access.sites.Site is one."""

    @property
    def site_id(self) -> int: ...
    @property
    def timezone(self) -> str: ...
    @property
    def currency(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the Source report. Days are in the site's zone, both inclusive.

    by             one or two dimensions, in the order of the columns
    currency       ISO 4217; None while the site has none, and then there is no money
    direct, lookback_days, scope  None: as the policy says
    sort           a metric's key or one of `by`
    policy         the site's attribution policy in force, or the version that was asked for; version 0: the shipped one
    fit            what was learned from the site's paths
    """

    site_id: int
    timezone: str
    from_day: str
    to_day: str
    by: tuple[Dimension, ...] = (Dimension.CHANNEL,)
    model: Model = Model.LAST_NON_DIRECT
    basis: Basis = Basis.ACTIVITY
    currency: str | None = None
    direct: DirectPolicy | None = None
    lookback_days: int | None = None
    sort: str = "revenue"
    descending: bool = True
    scope: PathScope | None = None
    policy: Policy = SHIPPED
    policy_version: int = 0
    fit: Fit | None = None

    @property
    def learns(self) -> bool:
        """Whether the model was fitted on the site's own paths."""
        return self.model in {Model.MARKOV, Model.HAZARD}

    @property
    def terms(self) -> Terms:
        """What the model is told; raises Invalid(field="model") where it was never fitted."""
        return terms_of(
            self.policy,
            self.model,
            self.fit,
            direct=self.direct,
            lookback_days=self.lookback_days,
            scope=self.scope,
        )


def parse_query(
    args: Mapping[str, str],
    site: SiteFacts,
    today: str | None = None,
    *,
    policy: Policy = SHIPPED,
    policy_version: int = 0,
    fit: Fit | None = None,
) -> Query:
    """A query from a request's parameters (PARAMETERS; empty ones count as not given); raises Invalid(field=…).

    today   the site's day now: the period is the last 30 days up to it where none is given
    policy  the one in force, or that of the version that the parameter `policy` names
    """
    given = given_in(args, PARAMETERS)
    from_day, to_day = _period(given, today)
    by = _dimensions(given.get("by", Dimension.CHANNEL.value))
    sort = given.get("sort", "revenue")
    if sort not in METRIC and sort not in by:
        raise Invalid(f"cannot sort by {sort[:40]!r}; use a metric or a dimension of the report", field="sort")
    order = given.get("order", "asc" if sort in by else "desc")
    if order not in {"asc", "desc"}:
        raise Invalid(f"{order[:40]!r} is not an order; use asc or desc", field="order")
    currency = check_currency(given["currency"]) if "currency" in given else site.currency
    model = _word(Model, given.get("model", Model.LAST_NON_DIRECT.value), "model")
    if MODELS[model].is_global and by != (Dimension.CHANNEL,):
        raise Invalid(f"{model.value} shares all deals together and knows channels alone; use by=channel", field="by")
    query = Query(
        site_id=site.site_id,
        timezone=site.timezone,
        from_day=from_day,
        to_day=to_day,
        by=by,
        model=model,
        basis=_word(Basis, given.get("basis", Basis.ACTIVITY.value), "basis"),
        currency=currency,
        direct=_word(DirectPolicy, given["direct"], "direct") if "direct" in given else None,
        lookback_days=_days(given.get("lookback_days")),
        scope=_word(PathScope, given["scope"], "scope") if "scope" in given else None,
        sort=sort,
        descending=order == "desc",
        policy=policy,
        policy_version=policy_version,
        fit=fit,
    )
    _ = query.terms  # raises where the model was never fitted
    return query


def given_in(args: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """What a request's parameters say, empty ones left out; raises Invalid(field=…) for one that is not known."""
    given = {name: value.strip() for name, value in args.items() if value.strip()}
    for name in given:
        if name not in known:
            raise Invalid(f"unknown parameter {name[:40]!r}; known are {', '.join(known)}", field=name[:40])
    return given


def parse_values(args: Mapping[str, str], query: Query, prefix: str = "") -> tuple[str, ...] | None:
    """Which row of a report is meant: a value per dimension of the query, as channel=email&source=news.

    prefix   what stands before each dimension's name
    returns  the values; () for the whole report where none is given; None for unattributed=1
    raises   Invalid: only one of two dimensions is given
    """
    if args.get("unattributed", "") in {"1", "true"}:
        return None
    names = [f"{prefix}{name.value}" for name in query.by]
    missing = [name for name in names if name not in args]
    if len(missing) == len(names):
        return ()
    if missing:
        raise Invalid(f"say which {missing[0]}, too", field=missing[0])
    return tuple(args[name] for name in names)


def _period(given: Mapping[str, str], today: str | None) -> tuple[str, str]:
    if today is not None:
        to_day = given.get("to", today)
        last = date.fromisoformat(parse_day(to_day, "to")).toordinal()
        usual = date.fromordinal(max(1, last - USUAL_DAYS + 1))
        given = {"from": usual.isoformat(), "to": to_day, **given}
    for name in ("from", "to"):
        if name not in given:
            raise Invalid(f"`{name}` is missing; write YYYY-MM-DD", field=name)
    from_day, to_day = parse_day(given["from"], "from"), parse_day(given["to"], "to")
    if from_day > to_day:
        raise Invalid(f"the period begins on {from_day}, after it ends on {to_day}", field="from")
    return from_day, to_day


def _dimensions(text: str) -> tuple[Dimension, ...]:
    by = tuple(_word(Dimension, name.strip(), "by") for name in text.split(","))
    if len(by) > MOST_DIMENSIONS:
        raise Invalid(f"{len(by)} dimensions; use one or two", field="by")
    if len(set(by)) != len(by):
        raise Invalid(f"{by[0]} twice", field="by")
    return by


def _days(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MOST_LOOKBACK_DAYS):
        raise Invalid(f"{text[:40]!r} is not a look-back; use 1 to {MOST_LOOKBACK_DAYS} days", field="lookback_days")
    return int(text)


def _word(words: type[Word], text: str, field: str) -> Word:
    try:
        return words(text)
    except ValueError as error:
        raise Invalid(f"{text[:40]!r} is no {field}; use {_listed(words)}", field=field) from error


def _listed(words: Iterable[StrEnum]) -> str:
    return ", ".join(word.value for word in words)
