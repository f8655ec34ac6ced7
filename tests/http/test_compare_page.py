"""The Compare page narrowed by filters: the figures of the API, links that keep the filters, files that name them."""

import csv
import io
import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

from tests.people import ON_BOTH, SQLITE_ONLY, browser_of
from tests.world import Program, World
from tracker import flow
from tracker.db.store import begin

pytestmark = SQLITE_ONLY
DAYS = "from=2026-04-01&to=2026-12-31"
MODELS = "columns=model:first;model:last;model:linear"
ASKED = f"{DAYS}&by=source&{MODELS}"


@pytest.fixture
def reader(world: World) -> FlaskClient:
    """After a walk: an ad of google, a newsletter, a form, a sale of 1,000 euros."""
    world.walk()
    world.fold()
    at = world.clock.forward(days=1)
    deal = {"amount": "1000.00", "status": "won", "contacts": [{"by": "email", "value": "hana@kyoto.example"}]}
    with begin(world.store) as tx:
        flow.deal_said(tx, world.acme, "D-1", {**deal, "currency": "EUR"}, at, at)
    return browser_of(world)


def page_of(reader: FlaskClient, query: str) -> str:
    answer = reader.get(f"/reports/compare?{query}")
    assert answer.status_code == 200
    return unescape(answer.text)


@pytest.mark.parametrize(
    "filters", ["", "&only_source=google", "&not_source=google", "&only_medium=email&only_medium=cpc", "&only_device=x"]
)
def test_narrowed_it_shows_what_the_api_gives(reader: FlaskClient, crm: Program, filters: str) -> None:
    told = reader.get(f"/reports/compare.json?{ASKED}{filters}").get_json()
    api = crm.get(f"/reports/compare?{ASKED}{filters}").json
    assert api is not None
    assert (told["rows"], told["totals"]) == (api["rows"], api["totals"])
    page = page_of(reader, f"{ASKED}{filters}")
    for figure in told["totals"]["figures"]:
        assert not told["rows"] or f"€{float(figure):,.2f}" in page


def test_each_filter_is_a_chip_that_a_link_takes_away(reader: FlaskClient) -> None:
    page = page_of(reader, f"{ASKED}&only_source=google&only_source=newsletter&not_device=tablet")
    away = re.findall(r'<a href="(\?[^"]+)" aria-label="Take this filter away: ([^"]+)"', page)
    assert [name for _, name in away] == ["google", "newsletter", "Tablet"]
    assert "only_source=google" not in away[0][0]
    assert "only_source=newsletter" in away[0][0]
    assert "not_device=tablet" in away[0][0]
    cleared = re.search(r'href="(\?[^"]+)">Clear the filters', page)
    assert cleared
    assert "only_" not in cleared[1]
    assert "columns=model" in cleared[1]


def test_the_form_and_a_rows_name_add_a_filter(reader: FlaskClient) -> None:
    sent = reader.get(f"/reports/compare?{ASKED}&filter_by=channel&filter_how=not&filter_value=Email")
    assert sent.status_code == 302
    assert "not_channel=email" in sent.headers["Location"]
    assert "filter_" not in sent.headers["Location"]
    only = re.search(r'class="label-text drill" href="([^"]+only_source=google)"', page_of(reader, ASKED))
    assert only
    page = page_of(reader, only[1].removeprefix("?"))
    assert len(re.findall(r'<th scope="row"', page)) == 2  # the totals, and google


def test_columns_and_figures_lead_to_reports_with_the_same_filters(reader: FlaskClient) -> None:
    page = page_of(reader, f"{ASKED}&only_source=google&not_medium=email")
    heads = re.findall(r'class="num column"><a href="([^"]+)"', page)
    behind = re.findall(r'href="(/reports/source/rows[^"]+)"', page)
    assert len(heads) == 3
    assert behind
    for href in (*heads, *behind):
        assert "only_source=google" in href
        assert "not_medium=email" in href
    assert "€500.00" in unescape(reader.get(heads[2]).text)
    assert "€500.00" in unescape(reader.get(behind[-1]).text)


def test_that_narrowed_totals_differ_between_models_is_explained(reader: FlaskClient) -> None:
    explained = "each column credits what the filters leave with another share"
    narrowed = page_of(reader, f"{ASKED}&only_source=google")
    assert explained in narrowed
    assert "Narrowed by filters: what no touch explains is left out" in narrowed
    assert explained not in page_of(reader, ASKED)
    empty = page_of(reader, f"{ASKED}&only_country=XX")
    assert "Nothing in this period yet" in empty
    assert empty.count("Clear the filters") == 2


@ON_BOTH
def test_files_name_their_filters(reader: FlaskClient) -> None:
    asked = f"{ASKED}&only_channel=email&not_campaign==cmd"
    book = load_workbook(io.BytesIO(reader.get(f"/reports/compare.xlsx?{asked}").data))
    about = list(book.worksheets[1].iter_rows(values_only=True, max_col=2))
    assert ("Filter", "Channel: Email") in about
    assert ("Not", "Campaign: =cmd") in about
    assert all(cell.data_type == "s" for row in book.worksheets[1].iter_rows(max_col=2) for cell in row)
    lines = list(csv.reader(io.StringIO(reader.get(f"/reports/compare.csv?{asked}").text.removeprefix("\ufeff"))))
    assert [line[0] for line in lines[1:]] == ["newsletter"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("only_source=<script>alert(1)</script>&not_campaign=%22%3E%3Cimg", 200),
        ("only_source=" + "x" * 3_000, 422),
        ("&".join(f"only_source=s{n}" for n in range(200)), 422),
        ("columns=model:markov_global;model:first&only_device=mobile", 200),
        ("filter_by=nothing&filter_value=x", 422),
    ],
)
def test_strange_filters_are_shown_as_text_or_refused(reader: FlaskClient, query: str, status: int) -> None:
    answer = reader.get(f"/reports/compare?{DAYS}&{query}")
    assert answer.status_code == status
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
