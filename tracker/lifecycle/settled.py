"""What a site settled about its life cycle: its stages and their order, and how it is kept."""

from dataclasses import dataclass, replace

from sqlalchemy import delete, insert, select

from tracker.db.schema import lifecycles, site_stages
from tracker.db.store import Tx
from tracker.db.writes import upsert
from tracker.lifecycle.stages import SHIPPED, OwnStage, Stages


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """How a site wants its life cycle to be kept.

    needs_sign_off         a definition counts only when marketing and sales have signed it
    people_follow_company  what moves a company forward moves its people forward, too
    restaged_id            how far everybody is being derived anew: the last contact; None: nothing is under way
    """

    needs_sign_off: bool = True
    people_follow_company: bool = False
    restaged_id: str | None = None


def stages_of(tx: Tx, site_id: int) -> Stages:
    """A site's stages in their order."""
    rows = tx.execute(
        select(site_stages.c.stage, site_stages.c.label)
        .where(site_stages.c.site_id == site_id)
        .order_by(site_stages.c.position)
    ).all()
    return Stages(tuple(OwnStage(*row) for row in rows)) if rows else SHIPPED


def save_stages(tx: Tx, site_id: int, stages: Stages) -> None:
    """Give a site these stages; the caller lets everybody be derived anew."""
    tx.execute(delete(site_stages).where(site_stages.c.site_id == site_id))
    rows = [
        {"site_id": site_id, "stage": one.name, "position": position, "label": one.label}
        for position, one in enumerate(stages.all)
    ]
    tx.execute(insert(site_stages), rows)


def lifecycle_of(tx: Tx, site_id: int) -> Lifecycle:
    """How a site's life cycle is kept."""
    row = tx.execute(select(lifecycles).where(lifecycles.c.site_id == site_id)).mappings().one_or_none()
    if row is None:
        return Lifecycle()
    return Lifecycle(row["needs_sign_off"], row["people_follow_company"], row["restaged_id"])


def save_lifecycle(tx: Tx, site_id: int, one: Lifecycle) -> None:
    """Keep how a site wants its life cycle to be kept."""
    upsert(
        tx,
        lifecycles,
        [
            {
                "site_id": site_id,
                "needs_sign_off": one.needs_sign_off,
                "people_follow_company": one.people_follow_company,
                "restaged_id": one.restaged_id,
            }
        ],
    )


def restage(tx: Tx, site_id: int) -> None:
    """Have everybody derived anew, from the first contact on: the order of the stages decides what is forward."""
    save_lifecycle(tx, site_id, replace(lifecycle_of(tx, site_id), restaged_id=""))


def restaged_upto(tx: Tx, site_id: int) -> str | None:
    """How far everybody is derived anew: the last contact's id, '' before the first; None: nothing is under way."""
    return lifecycle_of(tx, site_id).restaged_id


def end_restage(tx: Tx, site_id: int, upto: str | None) -> None:
    """Note how far it went; None: it is done."""
    save_lifecycle(tx, site_id, replace(lifecycle_of(tx, site_id), restaged_id=upto))
