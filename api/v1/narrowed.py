"""The filters of reports as parameters: each may be given several times."""

from collections.abc import Collection
from typing import Annotated, Any

from flask import request
from pydantic import Field

from api.v1.fields import CONTROL, Args
from tracker.reports.where import FILTERS, LONGEST, MOST_VALUES

Value = Annotated[str, Field(max_length=LONGEST, pattern=CONTROL)]
Values = Annotated[list[Value], Field(max_length=MOST_VALUES)] | None


def only(dimension: str, example: str) -> Any:
    """The parameter of a filter."""
    return Field(
        None,
        examples=[[example]],
        description=f"Count this {dimension} alone; given several times, any of them.",
    )


def without(dimension: str, example: str) -> Any:
    """The parameter of a filter that excludes."""
    return Field(None, examples=[[example]], description=f"Leave this {dimension} out; may be given several times.")


class FilterArgs(Args):
    """What a report is narrowed to."""

    only_channel: Values = only("channel", "paid_search")
    not_channel: Values = without("channel", "direct")
    only_source: Values = only("source", "google")
    not_source: Values = without("source", "google")
    only_medium: Values = only("medium", "cpc")
    not_medium: Values = without("medium", "cpc")
    only_campaign: Values = only("campaign", "spring")
    not_campaign: Values = without("campaign", "(not set)")
    only_term: Values = only("term", "green tea")
    not_term: Values = without("term", "(not set)")
    only_content: Values = only("content", "banner 1")
    not_content: Values = without("content", "(not set)")
    only_landing_page: Values = only("landing page", "/pricing")
    not_landing_page: Values = without("landing page", "/login")
    only_referring_host: Values = only("referring host", "blog.example")
    not_referring_host: Values = without("referring host", "blog.example")
    only_country: Values = only("country", "JP")
    not_country: Values = without("country", "JP")
    only_device: Values = only("device", "mobile")
    not_device: Values = without("device", "tablet")


assert set(FILTERS) <= set(FilterArgs.model_fields)


def report_args(without: Collection[str] = ()) -> dict[str, str | list[str]]:
    """The request's parameters as reports read them, without some."""
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in request.args.lists() if name not in without}
