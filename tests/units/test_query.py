"""What a report may be asked, and what is refused, each with the field it is about."""

from dataclasses import dataclass

import pytest

from tracker.attribution.terms import DirectPolicy
from tracker.errors import Invalid
from tracker.reports.query import PARAMETERS, Against, Query, parse_query, parse_values
from tracker.reports.where import FILTERS, Filter
from tracker.vocabulary import Basis, Dimension, Model

PERIOD = {"from": "2026-04-01", "to": "2026-04-30"}


@dataclass(frozen=True, slots=True)
class Site:
    site_id: int = 7
    timezone: str = "Asia/Tokyo"
    currency: str | None = "JPY"


def test_a_period_alone_is_a_question() -> None:
    assert parse_query(PERIOD, Site()) == Query(
        site_id=7,
        timezone="Asia/Tokyo",
        from_day="2026-04-01",
        to_day="2026-04-30",
        by=(Dimension.CHANNEL,),
        model=Model.LAST_NON_DIRECT,
        basis=Basis.ACTIVITY,
        currency="JPY",
        direct=None,
        lookback_days=None,
        sort="revenue",
        descending=True,
    )


def test_every_parameter_is_understood() -> None:
    args = PERIOD | {
        "by": "source, campaign",
        "model": "linear",
        "basis": "lead_cohort",
        "currency": "usd",
        "direct": "counts",
        "lookback_days": "30",
        "scope": "company",
        "policy": "7",
        "sort": "campaign",
        "order": "desc",
        "compare": "year",
        "columns": "cost,visits",
        "not_device": "mobile",
    }
    assert {*args, *FILTERS} == set(PARAMETERS)
    found = parse_query(args, Site())
    assert (found.against, found.columns) == (Against.YEAR, ("cost", "visits"))
    assert found.where == (Filter(Dimension.DEVICE, ("mobile",), excludes=True),)
    assert found.by == (Dimension.SOURCE, Dimension.CAMPAIGN)
    assert (found.model, found.basis, found.currency) == (Model.LINEAR, Basis.LEAD_COHORT, "USD")
    assert (found.direct, found.lookback_days) == (DirectPolicy.COUNTS, 30)
    assert (found.sort, found.descending) == ("campaign", True)


def test_dimensions_sort_upward_and_metrics_downward_unless_told() -> None:
    assert not parse_query(PERIOD | {"sort": "channel"}, Site()).descending
    assert parse_query(PERIOD | {"sort": "visits"}, Site()).descending
    assert not parse_query(PERIOD | {"sort": "visits", "order": "asc"}, Site()).descending


def test_empty_parameters_count_as_not_given() -> None:
    assert parse_query(PERIOD | {"model": " ", "currency": "", "lookback_days": ""}, Site()) == parse_query(
        PERIOD, Site()
    )


def test_without_a_period_it_is_the_last_thirty_days() -> None:
    found = parse_query({}, Site(), "2026-11-21")
    assert (found.from_day, found.to_day) == ("2026-10-23", "2026-11-21")
    found = parse_query({"to": "2026-03-01"}, Site(), "2026-11-21")
    assert (found.from_day, found.to_day) == ("2026-01-31", "2026-03-01")
    found = parse_query({"from": "2026-11-01"}, Site(), "2026-11-21")
    assert (found.from_day, found.to_day) == ("2026-11-01", "2026-11-21")
    assert parse_query({"to": "0001-01-02"}, Site(), "2026-11-21").from_day == "0001-01-01"


def test_a_site_without_a_currency_asks_for_no_money() -> None:
    assert parse_query(PERIOD, Site(currency=None)).currency is None
    assert parse_query(PERIOD | {"currency": "EUR"}, Site(currency=None)).currency == "EUR"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"from": "2026-05-01"}, "from"),
        ({"from": "April"}, "from"),
        ({"to": "2026-04-31"}, "to"),
        ({"from": ""}, "from"),
        ({"by": "browser"}, "by"),
        ({"by": "channel,"}, "by"),
        ({"by": "channel,channel"}, "by"),
        ({"by": "channel,source,medium"}, "by"),
        ({"model": "best"}, "model"),
        ({"basis": "mixed"}, "basis"),
        ({"currency": "XXQ"}, "currency"),
        ({"direct": "never"}, "direct"),
        ({"lookback_days": "0"}, "lookback_days"),
        ({"lookback_days": "-3"}, "lookback_days"),
        ({"lookback_days": "1.5"}, "lookback_days"),
        ({"lookback_days": "٣"}, "lookback_days"),
        ({"lookback_days": "9" * 5000}, "lookback_days"),
        ({"sort": "source"}, "sort"),
        ({"order": "up"}, "order"),
        ({"where": "1=1"}, "where"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(wrong: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query(PERIOD | wrong, Site())
    assert refused.value.field == field
    assert len(refused.value.message) < 300


def test_a_row_is_named_by_its_values() -> None:
    query = parse_query(PERIOD | {"by": "source,campaign"}, Site())
    assert parse_values({"source": "google", "campaign": ""}, query) == ("google", "")
    assert parse_values({}, query) == ()
    assert parse_values({"unattributed": "1"}, query) is None
    assert parse_values({"is_source": "a", "is_campaign": "b"}, query, prefix="is_") == ("a", "b")
    with pytest.raises(Invalid) as refused:
        parse_values({"source": "google"}, query)
    assert refused.value.field == "campaign"


# --- filters, columns, the period before ----------------------------------------------------------------------------


def test_a_filter_given_several_times_means_either_value_and_each_counts_once() -> None:
    args = PERIOD | {"only_source": ["google", " ", "bing, inc", "google"], "not_source": "x", "only_term": ""}
    assert parse_query(args, Site()).where == (
        Filter(Dimension.SOURCE, ("google", "bing, inc")),
        Filter(Dimension.SOURCE, ("x",), excludes=True),
    )


def test_columns_may_be_listed_or_repeated_and_all_means_all() -> None:
    assert parse_query(PERIOD | {"columns": ["visits,cost", "visits", ""]}, Site()).columns == ("visits", "cost")
    assert parse_query(PERIOD | {"columns": "all"}, Site()).columns == ()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"only_source": [str(n) for n in range(21)]}, "only_source"),
        ({"not_term": "x" * 2_001}, "not_term"),
        ({"only_colour": "red"}, "only_colour"),
        ({"only_device": "mobile", "model": "markov_global"}, "only_device"),
        ({"columns": "visits,nonsense"}, "columns"),
        ({"columns": "all,visits"}, "columns"),
        ({"compare": "never"}, "compare"),
        ({"from": "0001-01-02", "to": "0001-01-03", "compare": "previous"}, "compare"),
        ({"from": "0001-01-02", "to": "0001-01-03", "compare": "year"}, "compare"),
        ({"model": ["first", "last"]}, "model"),
    ],
)
def test_what_cannot_be_narrowed_or_compared_is_refused(wrong: dict[str, str | list[str]], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query({**PERIOD, **wrong}, Site())
    assert refused.value.field == field
