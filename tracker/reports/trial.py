"""Try on history: a definition that does not count yet, asked of everybody beside the one that does; nothing is kept.

Both readings are made of the same facts, read once; people are taken by 500, so memory does not grow with them. Of a
large site a sample is looked at, unless all are asked for: every n-th by id, which says nothing about a person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select

from tracker.access.sites import Site
from tracker.clock import to_ms
from tracker.db.schema import contacts
from tracker.db.store import Tx
from tracker.db.writes import chunks
from tracker.identity.stitch import names_by
from tracker.lifecycle.changes import Change, Word, changes_of
from tracker.lifecycle.company import company_words
from tracker.lifecycle.conditions import BEFORE_ALL, Facts
from tracker.lifecycle.facts import Records, facts_of
from tracker.lifecycle.record import kinds_asked, wins_of, words_of
from tracker.lifecycle.rules import Asked, Definition, Version, counting_at
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import Stages
from tracker.lifecycle.versions import parsed, saved_version, versions_in_force
from tracker.reports.trial_sums import MOST_PEOPLE, FirstEntries, MonthSum, Result, Tally, months_of
from tracker.vocabulary import Scope, Stage, StageCause

CHUNK = 500
SAMPLE = 20_000
MOST_VERSIONS = 8
# A text that nobody has saved yet has no number; no version of a site has this one.
UNSAVED = 0


class Reading(StrEnum):
    """How a definition is tried: as if nothing else had ever counted, or from its day on beside those that count."""

    ALL_ALONG = "all_along"
    AS_DATED = "as_dated"


@dataclass(frozen=True, slots=True)
class Tried:
    """What is tried. version: its number, UNSAVED for a text that is not saved; from_at: from when on it would count"""

    version: int
    definition: Definition
    from_at: datetime


@dataclass(frozen=True, slots=True)
class Ask:
    """How it is tried.

    against  the version beside which it is set; None: the one in force. Only of Reading.ALL_ALONG
    stage    whose first entries are counted by month
    whole    look at everybody, however many they are
    most     how many people are named
    """

    reading: Reading = Reading.ALL_ALONG
    against: int | None = None
    stage: str = Stage.MQL
    whole: bool = False
    most: int = MOST_PEOPLE


@dataclass(frozen=True, slots=True)
class Sample:
    """Who was looked at: every n-th (`every`) of `n_all` people; 1: all of them."""

    n_all: int
    every: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trial. against: the version of side A; None: no definition, or all by their dates"""

    result: Result
    sample: Sample
    against: int | None


@dataclass(frozen=True, slots=True)
class Drift:
    """First entries into a stage by month: as counted, then under each of `versions` as if it had always counted."""

    stage: str
    versions: tuple[int, ...]
    months: tuple[MonthSum, ...]
    sample: Sample
    n_people: int


Way = list[Change]


def sample_of(tx: Tx, site_id: int, most: int | None) -> Sample:
    """Who is looked at, if it shall be so many at most; None: everybody."""
    n = tx.execute(select(func.count()).select_from(contacts).where(contacts.c.site_id == site_id)).scalar_one()
    return Sample(n, 1 if most is None else max(1, -(-n // most)))


def people_of(tx: Tx, site_id: int, sample: Sample) -> Iterator[Records]:
    """The people of a sample with their own ids, by 500; without those who are merged into another."""
    place = func.row_number().over(order_by=contacts.c.contact_id).label("place")
    numbered = select(contacts.c.contact_id, place).where(contacts.c.site_id == site_id).subquery()
    last = ""
    while True:
        if sample.every == 1:
            query = select(contacts.c.contact_id).where(contacts.c.site_id == site_id, contacts.c.contact_id > last)
            ids = tx.execute(query.order_by(contacts.c.contact_id).limit(CHUNK)).scalars().all()
            yield own_ids_of(tx, ids)
            if len(ids) < CHUNK:
                return
            last = ids[-1]
            continue
        query = select(numbered.c.contact_id).where(numbered.c.place % sample.every == 1)
        picked = tx.execute(query.order_by(numbered.c.place)).scalars().all()
        for start in range(0, len(picked), CHUNK):
            yield own_ids_of(tx, picked[start : start + CHUNK])
        return


def own_ids_of(tx: Tx, contact_ids: Sequence[str]) -> Records:
    """Per contact its own id and those merged into it; those that are merged themselves left out."""
    names = names_by(tx, contact_ids)
    own = {one: set(names.get(one, {}).values()) for one in contact_ids}
    return {one: ids for one, ids in own.items() if ids}


def ways_under(
    tx: Tx, site_id: int, scenes: Sequence[Sequence[Version]], stages: Stages, records: Records, now: datetime
) -> Iterator[tuple[str, list[Way]]]:
    """Each of these people with their way under each scene: a list of versions by which the rules would be asked."""
    words, wins = words_of(tx, site_id, records), wins_of(tx, records)
    for contact_id, more in company_words(tx, site_id, records).items():
        words.setdefault(contact_id, []).extend(more)
    told = facts_of(tx, site_id, records, kinds_asked([one for scene in scenes for one in scene]))
    for contact_id in sorted(records):
        if contact_id not in told:
            continue
        known = told[contact_id]
        facts, own = Facts(known.facts), words.get(contact_id, [])
        ways = []
        for scene in scenes:
            said = spoken_under(own, scene)
            firings = Asked(scene, Scope.CONTACT, known.known_at, facts).firings(again=bool(said)) if scene else []
            due = [one for one in firings if one.at <= to_ms(now)]
            ways.append(changes_of(said, wins.get(contact_id, ()), due, stages))
        yield contact_id, ways


def spoken_under(words: Sequence[Word], scene: Sequence[Version]) -> list[Word]:
    """These words without what rules of other versions decided once and was kept."""
    numbers = {one.version for one in scene}
    return [one for one in words if one.cause is not StageCause.RULE or one.version in numbers]


def in_force(tx: Tx, site_id: int, now: datetime, without: int | None = None) -> Version | None:
    """The signed version that counts now, or would without one of them."""
    return counting_at([one for one in versions_in_force(tx, site_id) if one.version != without], to_ms(now))


def always(definition: Definition, version: int) -> list[Version]:
    """A definition as if nothing else had ever counted."""
    return [Version(version, BEFORE_ALL, definition)]


def try_definition(tx: Tx, site: Site, tried: Tried, ask: Ask, now: datetime) -> Trial:
    """What a definition would change; raises NotFound for a version to set it beside that there is not."""
    against: int | None = None
    if ask.reading is Reading.ALL_ALONG:
        if ask.against is not None:
            found = saved_version(tx, site.site_id, ask.against)
            a = always(parsed(found.text), found.version)
        else:
            counts = in_force(tx, site.site_id, now, tried.version)
            a = always(counts.definition, counts.version) if counts else []
        against = a[0].version if a else None
        b = always(tried.definition, tried.version)
    else:
        signed = versions_in_force(tx, site.site_id)
        a = [one for one in signed if one.version != tried.version]
        # Of what is not saved the number is the next: it counts before all that are older.
        number = tried.version or max((one.version for one in signed), default=0) + 1
        b = [*a, Version(number, to_ms(tried.from_at), tried.definition)]
    stages = stages_of(tx, site.site_id)
    sample = sample_of(tx, site.site_id, None if ask.whole else SAMPLE)
    tally = Tally(stages, site.timezone, ask.stage, ask.most)
    for records in people_of(tx, site.site_id, sample):
        for contact_id, (way_a, way_b) in ways_under(tx, site.site_id, (a, b), stages, records, now):
            tally.add(contact_id, way_a, way_b)
    return Trial(tally.result(), sample, against)


def drift_of(tx: Tx, site: Site, stage: str, now: datetime, *, whole: bool = False) -> Drift:
    """First entries into a stage by month, as counted and under each signed version all along; the newest eight."""
    signed = versions_in_force(tx, site.site_id)
    shown = sorted(signed, key=lambda one: one.version)[-MOST_VERSIONS:]
    scenes = [signed, *(always(one.definition, one.version) for one in shown)]
    stages = stages_of(tx, site.site_id)
    sample = sample_of(tx, site.site_id, None if whole else SAMPLE)
    series = [FirstEntries(stage, site.timezone) for _ in scenes]
    n_people = 0
    for records in people_of(tx, site.site_id, sample):
        for _, ways in ways_under(tx, site.site_id, scenes, stages, records, now):
            n_people += 1
            for one, way in zip(series, ways, strict=True):
                one.add(way)
    return Drift(stage, tuple(one.version for one in shown), months_of(series), sample, n_people)


@dataclass(frozen=True, slots=True)
class Named:
    """Who a mover is, as far as it is known. The texts are strangers'."""

    name: str | None
    email: str | None
    company_domain: str | None


def names_of(tx: Tx, contact_ids: Sequence[str]) -> dict[str, Named]:
    """Who these people are."""
    found: dict[str, Named] = {}
    for some in chunks(contact_ids):
        query = select(contacts.c.contact_id, contacts.c.name, contacts.c.email, contacts.c.company_domain)
        for contact_id, *rest in tx.execute(query.where(contacts.c.contact_id.in_(some))):
            found[contact_id] = Named(*rest)
    return found
