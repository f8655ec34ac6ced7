"""tests/spec/mails.md: the figures of a programme, row by row, on both databases; and where people stop."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.world import START
from tracker.access.sites import Site, add_site
from tracker.db.store import Tx, begin, reading
from tracker.mailing.events import keep
from tracker.mailing.programmes import MailProgramme, find_programme, tell_programme
from tracker.mailing.reading import MailEvent
from tracker.reports.mails import Asked, MailFigures, programme_lines
from tracker.reports.mailsteps import WHAT, After, people_behind, step_lines
from tracker.vocabulary import MailKind, Programme

TABLE = Path(__file__).with_name("mails.md")
DAY = "2026-04-01"


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def acme(tx: Tx) -> Site:
    return add_site(tx, "Acme", ["www.acme.example"], now=START, timezone="Asia/Tokyo", key="acmekey")


def event(n: int, who: str, what: str, step: str = "1", at: datetime = START) -> MailEvent:
    kind, email = MailKind(what.removeprefix("!")), "" if who == "-" else f"{who}@kyoto.example"
    return MailEvent(f"e{n}", kind, "welcome", step, email, at, is_machine=what.startswith("!"))


def told_in(cell: str) -> list[MailEvent]:
    pairs = [
        (who.strip(), what.strip())
        for part in cell.split(";")
        for who, _, whats in [part.partition(":")]
        for what in whats.split(",")
    ]
    return [event(n, who, what) for n, (who, what) in enumerate(pairs)]


def shown(figures: MailFigures) -> list[float | None]:
    counts = (
        figures.n_sent,
        figures.n_delivered,
        figures.n_opened,
        figures.n_machine,
        figures.n_clicked,
        figures.n_bounced,
        figures.n_unsubscribed,
        figures.n_other_clicks,
    )
    return [*counts, figures.open_ratio, figures.click_ratio, figures.click_to_open_ratio]


def test_each_row_of_the_table(store: Engine) -> None:
    wrong = []
    with begin(store) as tx:
        for n, (what, told, *expected) in enumerate(rows()):
            site = add_site(tx, f"Site {n}", ["www.acme.example"], now=START, key=f"site{n}")
            keep(tx, site.site_id, "UTC", told_in(told), START)
            (line,) = programme_lines(tx, Asked(site.site_id, DAY, DAY))
            asked = Asked(site.site_id, DAY, DAY, "welcome")
            if shown(line.figures) != [float(cell) if cell else None for cell in expected]:
                wrong.append(f"{what}: {shown(line.figures)}")
            for one in WHAT:
                spoken = getattr(line.figures, f"n_{one}")
                if spoken and len(people_behind(tx, asked, line.programme, one, None, START)) != spoken:
                    wrong.append(f"{what}: others are behind {one}")
    assert wrong == []


def test_where_people_stop_is_said_of_each_step(store: Engine) -> None:
    """Of seven who get step 1, four get a later one, one leaves, one stops; one got it just now."""
    sent = [
        *((who, "1", 0) for who in "abcdef"),
        ("g", "1", 29),
        *((who, "2", 3) for who in "abc"),
        ("d", "3", 9),
        *((who, "3", 7) for who in "ab"),
    ]
    with begin(store) as tx:
        site = acme(tx)
        events = [
            event(n, who, "delivered", step, START + timedelta(days=day)) for n, (who, step, day) in enumerate(sent)
        ]
        events.append(event(99, "e", "unsubscribe", "1", START + timedelta(days=1)))
        keep(tx, site.site_id, site.timezone, events, START)
        tell_programme(tx, site.site_id, MailProgramme("welcome", Programme.NURTURE, None, ("1", "2", "3")))
        programme = find_programme(tx, site.site_id, "welcome")
        asked, now = Asked(site.site_id, DAY, "2026-04-30", "welcome"), START + timedelta(days=30)
        lines = step_lines(tx, asked, programme, now)
        stopped = people_behind(tx, asked, programme, After.STOPPED.value, "1", now)
        early = step_lines(tx, Asked(site.site_id, "2026-04-04", "2026-04-30", "welcome"), programme, now)
    assert [line.step for line in lines] == ["1", "2", "3"]
    assert dict(lines[0].after) == {
        After.WENT_ON: 4,
        After.ON_THE_WAY: 1,
        After.LEFT: 1,
        After.STOPPED: 1,
        After.FINISHED: 0,
    }
    assert lines[0].days == 9
    assert [one.address for one in stopped] == ["f@kyoto.example"]
    assert (lines[1].after[After.WENT_ON], lines[1].after[After.STOPPED]) == (2, 1)
    assert lines[2].after[After.FINISHED] == 3
    assert {line.step: line.figures.n_delivered for line in early} == {"1": 1, "2": 3, "3": 3}


def test_steps_stand_as_they_were_told_then_as_they_went_out(store: Engine) -> None:
    with begin(store) as tx:
        site = acme(tx)
        out = [event(n, "a", "sent", step, START + timedelta(days=n)) for n, step in enumerate(("z", "y", "x", ""))]
        keep(tx, site.site_id, site.timezone, out, START)
        tell_programme(tx, site.site_id, MailProgramme("welcome", Programme.CUSTOMER, None, ("x", "never")))
        one = find_programme(tx, site.site_id, "welcome")
        lines = step_lines(tx, Asked(site.site_id, DAY, "2026-04-30", "welcome"), one, START)
    assert [line.step for line in lines] == ["x", "z", "y", ""]


def test_an_event_is_kept_once_and_its_programme_made(store: Engine) -> None:
    with begin(store) as tx:
        site = acme(tx)
        first = keep(tx, site.site_id, site.timezone, [event(1, "a", "sent"), event(1, "a", "sent")], START)
        again = keep(tx, site.site_id, site.timezone, [event(1, "a", "open"), event(2, "a", "open")], START)
    with reading(store) as tx:
        known = find_programme(tx, site.site_id, "welcome")
    assert ([one.event_id for one in first], [one.event_id for one in again]) == (["e1"], ["e2"])
    assert known == MailProgramme("welcome", Programme.NURTURE)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_a_mail_counts_on_the_day_of_its_site(store: Engine, zone: str) -> None:
    at = START.replace(hour=20)  # 1 April in Los Angeles, 2 April in Tokyo
    with begin(store) as tx:
        site = acme(tx)
        keep(tx, site.site_id, zone, [event(1, "a", "delivered", at=at)], START)
        found = [programme_lines(tx, Asked(site.site_id, day, day))[0].figures.n_sent for day in (DAY, "2026-04-02")]
    assert found == ([0, 1] if zone == "Asia/Tokyo" else [1, 0])
