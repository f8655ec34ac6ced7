"""Change the stages of a site: add, rename, reorder, take away what nobody is in; and who is in each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, func, select

from tracker.db.schema import companies, contacts
from tracker.db.store import Tx
from tracker.errors import Conflict
from tracker.lifecycle.settled import restage, save_stages, stages_of
from tracker.lifecycle.stages import NEEDED, OwnStage, Stages, checked
from tracker.lifecycle.versions import versions_in_force


@dataclass(frozen=True, slots=True)
class Standing:
    """How many people and companies are in a stage, and whether a rule in force leads to it."""

    n_people: int = 0
    n_companies: int = 0
    has_rule: bool = False

    def keeps(self, name: str) -> bool:
        """Whether the stage of this name may not be taken away."""
        return name in NEEDED or self.has_rule or bool(self.n_people or self.n_companies)


def standings(tx: Tx, site_id: int) -> dict[str, Standing]:
    """Per stage who is in it, also of stages that the site has not; stages without anybody or a rule are missing."""
    people = counted(tx, site_id, contacts.c.stage, contacts.c.site_id)
    own = counted(tx, site_id, companies.c.stage, companies.c.site_id)
    versions = versions_in_force(tx, site_id)
    rules = {rule.stage for rule in versions[-1].definition.rules} if versions else set()
    return {
        name: Standing(people.get(name, 0), own.get(name, 0), name in rules) for name in {*people, *own, *rules} if name
    }


def counted(tx: Tx, site_id: int, stage: Column[Any], site: Column[Any]) -> dict[str, int]:
    """How many rows of a site's are in each stage."""
    query = select(stage, func.count()).where(site == site_id, stage.is_not(None)).group_by(stage)
    return {str(name): int(n) for name, n in tx.execute(query)}


def change_stages(tx: Tx, site_id: int, new: Iterable[OwnStage]) -> tuple[Stages, Stages] | None:
    """Give a site these stages, and have everybody derived anew where their order is another.

    returns  those before and after; None: they are the same, nothing was written
    raises   Invalid: a site may not have these; Conflict: one that is missing cannot be taken away, field its name
    """
    after, before = checked(new), stages_of(tx, site_id)
    if after == before:
        return None
    if gone := [name for name in before.names if name not in after]:
        refuse(gone, standings(tx, site_id))
    save_stages(tx, site_id, after)
    if after.names != before.names:
        restage(tx, site_id)
    return before, after


def refuse(gone: Iterable[str], standing: Mapping[str, Standing]) -> None:
    """Raise Conflict for the first of these stages that cannot be taken away."""
    for name in gone:
        one = standing.get(name, Standing())
        if one.n_people or one.n_companies:
            raise Conflict(
                f"{one.n_people} people and {one.n_companies} companies are in {name!r}: move them first", field=name
            )
        if one.has_rule:
            raise Conflict(f"a rule of the definition in force leads to {name!r}", field=name)


def written(stages: Stages) -> list[dict[str, str | None]]:
    """Stages as the audit log keeps them."""
    return [{"stage": one.name, "label": one.label} for one in stages.all]
