"""The Source report's page: narrowed by links, split further, beside an earlier period; the same figures in files."""

import csv
import html
import io
import re

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

from tests.http.test_v1_reports import sold
from tests.people import ON_BOTH, SQLITE_ONLY, browser_of
from tests.statements import counted
from tests.world import Program, World
from tracker.vocabulary import Role

pytestmark = SQLITE_ONLY
PERIOD = "period=custom&from=2026-04-01&to=2026-04-30"
MOST_STATEMENTS = 25


@pytest.fixture
def reader(world: World, crm: Program) -> FlaskClient:
    sold(world, crm)
    return browser_of(world, Role.VIEWER)


def page_of(reader: FlaskClient, query: str) -> str:
    answer = reader.get(f"/reports/source?{PERIOD}&{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def body_of(page: str) -> list[list[str]]:
    """The table's rows as text, the totals first."""
    table = page.partition('<table class="report')[2].partition("</table>")[0]
    rows = re.findall(r"<tr[ >].*?</tr>", table, re.S)[1:]
    cells = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows)
    return [[" ".join(re.sub(r"<small.*?</small>|<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


def links_of(page: str, text: str) -> list[str]:
    """Where the links with a text lead."""
    found = re.findall(r'<a[^>]*href="([^"]*)"[^>]*>(.*?)</a>', page, re.S)
    return [html.unescape(href) for href, inside in found if re.sub(r"<[^>]+>", "", inside).strip() == text]


def test_a_row_is_split_by_another_dimension_and_the_filter_can_be_taken_away(reader: FlaskClient) -> None:
    page = page_of(reader, "model=linear&columns=visits,revenue")
    assert body_of(page)[0] == ["Total", "2", "€805.01"]
    ways = [href for href in links_of(page, "Campaign") if "only_channel=email" in href]
    split = reader.get(f"/reports/source{ways[0]}").text
    assert body_of(split) == [["Total", "1", "€400.01"], ["april", "1", "€400.01"]]
    chip = re.search(r'class="chip".*?href="([^"]+)"', split, re.S)
    assert chip
    back = reader.get(f"/reports/source{html.unescape(chip[1])}").text
    assert body_of(back)[0] == ["Total", "2", "€805.01"]


def test_a_row_can_be_left_out_and_several_values_stand_together(reader: FlaskClient) -> None:
    page = page_of(reader, "columns=visits")
    without = next(href for href in links_of(page, "Leave it out") if "not_channel=email" in href)
    assert [row[0] for row in body_of(reader.get(f"/reports/source{without}").text)] == ["Total", "Paid search"]
    both = page_of(reader, "columns=visits&only_channel=email&only_channel=paid_search")
    assert [row[0] for row in body_of(both)] == ["Total", "Email", "Paid search"]
    assert both.count('class="chip"') == 2


def test_the_form_adds_a_filter_and_leads_to_a_plain_address(reader: FlaskClient) -> None:
    sent = reader.get(f"/reports/source?{PERIOD}&filter_by=channel&filter_how=not&filter_value=Paid+Search")
    assert sent.status_code == 302
    assert sent.headers["Location"].endswith(f"/reports/source?{PERIOD}&not_channel=paid_search")
    assert reader.get("/reports/source?filter_by=colour&filter_value=red").status_code == 422


def test_the_rows_behind_a_narrowed_figure_are_narrowed_too(reader: FlaskClient) -> None:
    page = page_of(reader, "model=linear&by=source&only_medium=cpc&only_medium=email&not_source=newsletter")
    href = next(
        html.unescape(one) for one in re.findall(r'href="([^"]*metric=revenue[^"]*)"', page) if "is_" not in one
    )
    behind = reader.get(href).text
    assert "€400.00" in behind
    assert re.search(r"Medium</span>\s*<bdi[^>]*>cpc", behind)
    assert "only_medium=cpc&amp;only_medium=email" in behind.partition('class="back"')[2][:400]


def test_a_figure_says_how_it_changed_and_whether_that_is_good(reader: FlaskClient) -> None:
    asked = "/reports/source?period=custom&from=2026-04-02&to=2026-04-04&compare=previous&columns=visits,new_leads,cost"
    page = reader.get(asked).text.partition('<table class="report')[2]
    row = re.search(r"<tr>(?:(?!</tr>).)*Paid search.*?</tr>", page, re.S)
    assert row
    assert re.search(r'delta bad"><span class="hidden">change </span>−100%<span class="hidden">, before: 1<', row[0])
    assert re.search(
        r'delta flat"><span class="hidden">change </span>−100%<span class="hidden">, before: €100.00<', row[0]
    )
    email = re.search(r"<tr>(?:(?!</tr>).)*Email.*?</tr>", page, re.S)
    assert email
    assert re.search(r'delta good"><span class="hidden">change </span>new<', email[0])
    assert "Changes are against 2026-03-30 to 2026-04-01" in page


def test_the_columns_are_the_usual_ones_those_chosen_or_all(reader: FlaskClient) -> None:
    assert len(body_of(page_of(reader, ""))[0]) == 14
    assert len(body_of(page_of(reader, "columns=all"))[0]) == 22
    assert len(body_of(page_of(reader, "columns=form&columns=call"))[0]) == 3


@ON_BOTH
def test_the_same_figures_stand_on_the_page_and_in_every_file(reader: FlaskClient, crm: Program) -> None:
    asked = "model=linear&by=channel,campaign&not_source=nobody&columns=visits,new_leads,revenue,cost,roas"
    files = {form: reader.get(f"/reports/source.{form}?{PERIOD}&{asked}") for form in ("csv", "json", "xlsx")}
    assert files["csv"].headers["Content-Disposition"].endswith("source-2026-04-01-2026-04-30.csv")
    api = crm.get(f"/reports/source?from=2026-04-01&to=2026-04-30&{asked}").json
    told = files["json"].json
    assert api is not None
    assert told is not None
    assert (told["rows"], told["totals"]) == (api["rows"], api["totals"])
    keys = ["visits", "new_leads", "revenue", "cost", "roas"]
    plain = [[float(row[key]) if row[key] is not None else None for key in keys] for row in api["rows"]]
    lines = list(csv.reader(io.StringIO(files["csv"].data.decode("utf-8-sig"))))[1:]
    assert [[float(cell) if cell else None for cell in line[2:]] for line in lines] == plain
    book = load_workbook(io.BytesIO(files["xlsx"].data))
    sheet = list(book.worksheets[0].iter_rows(values_only=True))[1:]
    rule = dict(book.worksheets[1].iter_rows(values_only=True, max_col=2))
    assert (rule["Attribution model"], rule["Not"]) == ("Linear", "Source: nobody")
    assert [list(row[2:]) for row in sheet[:-1]] == [
        [pytest.approx(one, abs=1e-6) if one is not None else None for one in row] for row in plain
    ]
    shown = [
        [float(re.sub("[€,]", "", cell)) if cell != "—" else None for cell in row[2:]]
        for row in body_of(page_of(reader, asked))[1:]
    ]
    assert shown == [[None if one is None else round(one, 2) for one in row] for row in plain]


def test_a_page_asks_the_store_so_many_times_and_no_more(world: World, reader: FlaskClient) -> None:
    page_of(reader, "")
    with counted(world.store) as told:
        page_of(reader, "by=channel,campaign&only_channel=email&not_device=tablet&chart=visits")
    assert len(told) <= MOST_STATEMENTS
    with counted(world.store) as twice:
        page_of(reader, "by=channel,campaign&only_channel=email&not_device=tablet&chart=visits&compare=previous")
    assert len(twice) <= len(told) + 10


def test_a_long_report_is_shown_page_by_page(world: World, reader: FlaskClient) -> None:
    world.browse("many", *(world.hit("page", f"/?utm_source=s{n:03}&utm_medium=x") for n in range(40)))
    for some in range(3):
        hits = [world.hit("page", f"/?utm_source=s{some}-{n:03}&utm_medium=x") for n in range(40)]
        world.browse(f"more{some}", *hits)
    world.fold()
    page = page_of(reader, "by=source&columns=visits&sort=source")
    assert len(body_of(page)) == 101
    onward = links_of(page, "Next")[0]
    rest = reader.get(f"/reports/source{onward}").text
    assert body_of(rest)[0] == body_of(page)[0]
    assert not {row[0] for row in body_of(page)[1:]} & {row[0] for row in body_of(rest)[1:]}
    assert reader.get("/reports/source?cursor=99999999999").status_code == 200


def test_hostile_values_stay_text_in_filters_and_drills(world: World, reader: FlaskClient) -> None:
    evil = '"><script>alert(1)</script>'
    world.browse("eve", world.hit("page", f"/?utm_source={evil}&utm_medium=x"))
    world.fold()
    page = page_of(reader, "by=source")
    assert "<script>alert" not in page
    drill = next(href for href in links_of(page, "Campaign") if "script" in href)
    narrowed = reader.get(f"/reports/source{drill}").text
    assert "<script>alert" not in narrowed
    assert body_of(narrowed)[0][1] == "1"
