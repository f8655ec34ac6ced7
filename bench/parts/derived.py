"""Whether a store holds what it must: each acknowledged hit once, and the facts that an undisturbed run would give.

Facts are compared by content: numbers of rows (hit_seq, visitor_no) are replaced by what they number.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Table, func, select

from parts import machine, traffic
from parts.story import Beacon
from tracker import flow
from tracker.collect.journal import append
from tracker.collect.payload import Hit
from tracker.db.schema import hits, hits_waiting, user_agents, visitors
from tracker.db.store import begin, reading
from tracker.rebuild import DERIVED
from tracker.vocabulary import HitKind, Origin

APPENDED_AT_A_TIME = 2_000
FOLDED_AT_A_TIME = 2_000
COMPARED: tuple[Table, ...] = (*DERIVED, visitors, user_agents)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found wrong, in words; empty when all promises were kept."""

    wrong: tuple[str, ...]
    n_hits: int
    n_facts: int


def journal(engine: Engine) -> Iterator[tuple[int, Hit]]:
    """Every hit of the journal with its site."""
    columns = [hits.c[name] for name in Hit.__struct_fields__]
    with reading(engine) as tx:
        for site_id, *values in tx.execute(select(hits.c.site_id, *columns).order_by(hits.c.seq)):
            own = dict(zip(Hit.__struct_fields__, values, strict=True))
            yield site_id, Hit(**{**own, "kind": HitKind(own["kind"]), "origin": Origin(own["origin"])})


def facts(engine: Engine) -> dict[str, Counter[tuple[Any, ...]]]:
    """Every derived row by table, each with how often it is there."""
    with reading(engine) as tx:
        hit_of = dict(tx.execute(select(hits.c.seq, hits.c.hit_id)).all())
        visitor_of = dict(tx.execute(select(visitors.c.visitor_no, visitors.c.visitor_id)).all())
        names = {"hit_seq": hit_of, "visitor_no": visitor_of}
        return {
            table.name: Counter(tuple(named(row, names)) for row in tx.execute(select(table)).mappings())
            for table in COMPARED
        }


def named(row: Mapping[Any, Any], names: Mapping[str, Mapping[int, str]]) -> Iterator[Any]:
    """A row's values, with what its numbers mean in their place."""
    for column, value in row.items():
        yield names[column].get(value, value) if column in names and value is not None else plain(value)


def plain(value: Any) -> Any:
    """A value that can be a key of a dictionary."""
    return repr(value) if isinstance(value, dict | list) else value


def fold_all(engine: Engine) -> int:
    """Fold what waits; returns how many hits."""
    n = 0
    while True:
        with begin(engine) as tx:
            folded = flow.hits_arrived(tx, FOLDED_AT_A_TIME)
        if not folded:
            return n
        n += folded


def waiting(engine: Engine) -> int:
    """How many hits wait for the fold."""
    with reading(engine) as tx:
        return tx.execute(select(func.count()).select_from(hits_waiting)).scalar_one()


def check_journal(own: list[Hit], acked: Mapping[str, Beacon], sent: Mapping[str, Beacon]) -> Iterator[str]:
    """What is wrong with the journal: acknowledged hits that are not there or twice, some that nobody sent."""
    counted = Counter(hit.hit_id for hit in own)
    if missing := [hit_id for hit_id in acked if hit_id not in counted]:
        yield f"{len(missing)} of {len(acked)} acknowledged hits are not in the journal, such as {missing[0]}"
    if twice := [hit_id for hit_id, n in counted.items() if n > 1]:
        yield f"{len(twice)} hits are in the journal more than once, such as {twice[0]}"
    if strange := [hit_id for hit_id in counted if hit_id not in sent]:
        yield f"{len(strange)} hits of the journal were never sent, such as {strange[0]}"
    for hit in own:
        beacon = sent.get(hit.hit_id)
        said = next((one for one in beacon.hits if one["id"] == hit.hit_id), None) if beacon else None
        if beacon and said and (beacon.visitor, said["url"], said["kind"]) != (hit.visitor_id, hit.url, hit.kind.value):
            yield f"hit {hit.hit_id} says something else than was sent"
            return


def check(made: machine.Store, acked: Mapping[str, Beacon], sent: Mapping[str, Beacon]) -> Findings:
    """Compare a store, all folded, with what was acknowledged and with an undisturbed store of the same hits."""
    engine = made.open()
    listed = list(journal(engine))
    wrong = list(check_journal([hit for _, hit in listed], acked, sent))
    if n := waiting(engine):
        wrong.append(f"{n} hits still wait for the fold")
    found = facts(engine)
    engine.dispose()
    with machine.store("SQLite") as fresh:
        assert fresh
        machine.site_in(fresh, traffic.SITE_KEY, traffic.HOST)
        other = fresh.open()
        for at in range(0, len(listed), APPENDED_AT_A_TIME):
            with begin(other) as tx:
                some = listed[at : at + APPENDED_AT_A_TIME]
                for site_id in sorted({site_id for site_id, _ in some}):
                    append(tx, site_id, [hit for its, hit in some if its == site_id])
        fold_all(other)
        expected = facts(other)
        other.dispose()
    for name, rows in expected.items():
        if rows != found[name]:
            lacks, more = rows - found[name], found[name] - rows
            example = next(iter(lacks or more))
            wrong.append(f"{name}: {sum(lacks.values())} rows lack, {sum(more.values())} are too many, as {example}")
    return Findings(tuple(wrong), len(listed), sum(sum(rows.values()) for rows in found.values()))
