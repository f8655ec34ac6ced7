"""(pure) What a report is asked: checked once, here, and frozen.

The API, the pages and the command line all come through `parse_query` (by asking.ask, which knows the site's policy);
nothing below it checks again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from tracker.attribution.models import MODELS
from tracker.attribution.policy import SHIPPED, Policy, terms_of
from tracker.attribution.terms import DirectPolicy, Fit, Terms
from tracker.clock import parse_day
from tracker.errors import Invalid
from tracker.money import check_currency
from tracker.reports.catalogue import METRIC
from tracker.reports.periods import month_end, month_start, whole_months
from tracker.reports.where import FILTERS, Where, parse_where
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
    "compare",
    "columns",
    *FILTERS,
)
# What may be given more than once.
REPEATED = frozenset({"columns", *FILTERS})
ALL = "all"
MOST_DIMENSIONS = 2
MOST_LOOKBACK_DAYS = 36_500
USUAL_DAYS = 30
DAY = timedelta(1)

Word = TypeVar("Word", bound=StrEnum)
# A request's parameters: those of REPEATED may have several texts.
Asked = Mapping[str, str | Sequence[str]]


class Against(StrEnum):
    """Which earlier period a report is set against: the one just before, or the same a year before (period_before)."""

    PREVIOUS = "previous"
    YEAR = "year"


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
    where          what the report is narrowed to
    against        the earlier period that stands beside; None: none
    columns        the metrics that are shown, in this order; (): all
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
    where: Where = ()
    against: Against | None = None
    columns: tuple[str, ...] = ()

    @property
    def learns(self) -> bool:
        """Whether the model was fitted on the site's own paths."""
        return self.model in {Model.MARKOV, Model.HAZARD}

    @property
    def key(self) -> tuple[str, int | None]:
        """Tells this question from all others; a fit by its version, for it never changes and may be large."""
        return repr(replace(self, fit=None)), None if self.fit is None else self.fit.version

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
    args: Asked,
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
    where = parse_where(args)
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
    if MODELS[model].is_global:
        _check_global(model, by, where)
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
        where=where,
        against=_word(Against, given["compare"], "compare") if "compare" in given else None,
        columns=_columns(given.get("columns", "")),
    )
    _ = query.terms  # raises where the model was never fitted
    if query.against is not None:
        period_before(from_day, to_day, query.against)  # raises where the calendar begins
    return query


def given_in(args: Asked, known: Sequence[str]) -> dict[str, str]:
    """What a request's parameters say, empty ones left out, those given several times with commas between.

    raises  Invalid(field=…): one that is not known, or that may stand only once
    """
    given = {}
    for name, value in args.items():
        texts = [text for text in map(str.strip, [value] if isinstance(value, str) else value) if text]
        if not texts:
            continue
        if name not in known:
            raise Invalid(
                f"unknown parameter {name[:40]!r}; known are {', '.join(one for one in known if one not in FILTERS)}, "
                "and only_ or not_ with a dimension",
                field=name[:40],
            )
        if len(texts) > 1 and name not in REPEATED:
            raise Invalid("is given twice", field=name[:40])
        given[name] = ",".join(texts)
    return given


def period_before(from_day: str, to_day: str, against: Against) -> tuple[str, str]:
    """The earlier period. Days are both inclusive.

    previous  whole calendar months have as many whole months before them, so a month, a quarter, a year has the one
              before; any other period has as many days just before
    year      the same days of the year before, the 28th for the 29th of February; whole months have the same months
    raises    Invalid(field="compare"): before the first day of the calendar
    """
    first, last = date.fromisoformat(from_day), date.fromisoformat(to_day)
    try:
        earlier = _earlier(first, last, against)
    except (OverflowError, ValueError) as error:
        raise Invalid(f"nothing is before {from_day}", field="compare") from error
    return earlier[0].isoformat(), earlier[1].isoformat()


def _earlier(first: date, last: date, against: Against) -> tuple[date, date]:
    is_previous = against is Against.PREVIOUS
    if n_months := whole_months(first, last):
        back = n_months if is_previous else 12
        return month_start(first, back), month_end(month_start(last, back))
    if is_previous:
        return first - ((last - first) + DAY), first - DAY
    return _a_year_before(first), _a_year_before(last)


def _a_year_before(day: date) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)


def _check_global(model: Model, by: tuple[Dimension, ...], where: Where) -> None:
    """Raise Invalid for what a model that knows channels alone cannot be asked."""
    why = f"{model.value} shares all deals together and knows channels alone"
    if by != (Dimension.CHANNEL,):
        raise Invalid(f"{why}; use by=channel", field="by")
    for one in where:
        if one.dimension is not Dimension.CHANNEL:
            raise Invalid(f"{why}; leave the filter out", field=one.parameter)


def _columns(text: str) -> tuple[str, ...]:
    """The metrics that are named; () for all."""
    names = tuple(dict.fromkeys(name for name in map(str.strip, text.split(",")) if name))
    if names == (ALL,):
        return ()
    for name in names:
        if name not in METRIC:
            raise Invalid(f"unknown metric {name[:40]!r}; use {', '.join(METRIC)}, or {ALL}", field="columns")
    return names


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
