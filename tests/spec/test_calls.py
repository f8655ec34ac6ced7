"""Who is shown which number, and whose a call is: calls.csv, row by row, through a real store.

numbers   the pool (A, B, …) for the number on the site; P=source/medium/campaign is printed somewhere
asks      when, who, brought by what (nothing: the next page), and the number that must be shown
call      when, and the number that was called; leases last 30 minutes, numbers rest for an hour
whose     what the call is traced to, with the candidates
credited  the touch that the call is itself, where it is no visitor's: channel, source, medium, campaign
"""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tracker.access.sites import Site, add_site
from tracker.calls.arrival import origin_of
from tracker.calls.leases import Asking, Terms, lend, trace
from tracker.calls.match import Found, shared
from tracker.calls.numbers import add_number
from tracker.db.store import Tx, begin, reading
from tracker.vocabulary import Traced

FILE = Path(__file__).with_name("calls.csv")
SHOWN = "+81311112222"
NUMBERS = {"A": "+81355550001", "B": "+81355550002", "C": "+81355550003", "P": "+81355550009", "X": "+81355550008"}
PAGE = "https://www.acme.example/"


def rows() -> Iterator[dict[str, str]]:
    with FILE.open(encoding="utf-8") as file:
        yield from csv.DictReader(file)


def instant(clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return datetime(2026, 4, 1, int(hours), int(minutes), tzinfo=UTC)


def address_of(origin: str) -> str:
    """The landing page of who was brought by 'google/cpc/spring'."""
    if not origin or origin == "direct":
        return PAGE
    names = ("utm_source", "utm_medium", "utm_campaign")
    return PAGE + "?" + "&".join(f"{name}={word}" for name, word in zip(names, origin.split("/"), strict=False))


def terms_of(site: Site) -> Terms:
    return Terms(site.site_id, site.hosts, timedelta(seconds=site.lease_s), timedelta(seconds=site.lease_rest_s))


def add_numbers(tx: Tx, site: Site, told: str) -> None:
    for word in told.split():
        name, _, origin = word.partition("=")
        words = dict(zip(("source", "medium", "campaign"), origin.split("/"), strict=False)) if origin else {}
        shown = [] if origin else [SHOWN]
        add_number(tx, site.site_id, "UTC", NUMBERS[name], now=instant("09:00"), shown=shown, **words)


def touch_told(found: Found, site: Site) -> str:
    """The own touch of a call in words, as the fold writes it where nothing else is told."""
    told = shared([origin_of(one.url, one.referrer, site.hosts) for one in found.candidates])
    words = [told.get("channel", "offline"), told.get("source", "(call)"), told.get("medium"), told.get("campaign")]
    medium, campaign = words[2], words[3]
    return " ".join(word for word in (words[0], words[1], medium, campaign or (medium and "(not set)")) if word)


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row["case"])
def test_a_call_is_whose_the_table_says(row: dict[str, str], store: Engine) -> None:
    names = {number: name for name, number in NUMBERS.items()}
    with begin(store) as tx:
        site = add_site(tx, "Acme", ["www.acme.example"], now=instant("09:00"))
        add_numbers(tx, site, row["numbers"])
    for ask in row["asks"].split("; "):
        match = re.fullmatch(r"(\S+) (\S+) ?(\S*) = (\S)", ask)
        assert match, ask
        clock, who, origin, expected = match.groups()
        with begin(store) as tx:
            lent = lend(tx, terms_of(site), Asking(who, address_of(origin), None), instant(clock))
        assert [(one.shown, names[one.number]) for one in lent] == [(SHOWN, expected)], ask
    clock, called = row["call"].split()
    with reading(store) as tx:
        found, number = trace(tx, site.site_id, NUMBERS[called], instant(clock), terms_of(site).rest)
    whose = [found.traced.value, *(one.visitor_id for one in found.candidates)]
    assert " ".join(whose) == row["whose"]
    if found.traced is Traced.NUMBER:
        assert number is not None
        assert f"{number.source} {number.medium} {number.campaign}" == row["credited"]
    elif found.traced is not Traced.VISITOR:
        told = touch_told(found, site)
        assert told == row["credited"] or told.removesuffix(" (not set)") == row["credited"]
    assert (found.visitor_id is not None) == (found.traced is Traced.VISITOR)
