"""Actions of a site, for tests: two that are tasks of the CRM, and one item that was found out too late."""

from datetime import timedelta

from tests.world import World
from tracker.actions.act import on
from tracker.actions.listing import Action, add_action
from tracker.actions.moved import StageMoved
from tracker.db.store import Tx
from tracker.segments.listing import Segment, save_segment
from tracker.vocabulary import ActionKind, Scope, StageCause


def keep_actions(tx: Tx, world: World, subject: str = "f" * 32) -> None:
    """action1 for evangelists, action2 for customers; of the outbox's items the first is skipped, the second waits."""
    at = world.clock() - timedelta(days=9)
    for name, stage in (("action1", "evangelist"), ("action2", "customer")):
        one = Action(
            name,
            world.acme.site_id,
            name,
            Scope.CONTACT,
            stage,
            ActionKind.CRM_TASK,
            "Call",
            True,
            at,
            "user x@y.example",
        )
        add_action(tx, one)
    late = StageMoved(Scope.CONTACT, subject, "lead", "customer", at, StageCause.CRM, "crm")
    on(tx, world.acme.site_id, [late], world.clock())
    fresh = StageMoved(
        Scope.CONTACT, subject, "lead", "customer", world.clock(), StageCause.RULE, "Asked for a price", 1
    )
    on(tx, world.acme.site_id, [fresh], world.clock())


def keep_segments(tx: Tx, world: World) -> None:
    """segment1 has whoever is a lead, segment2 is a list with nobody in it."""
    for name, text in (("segment1", 'when = { attribute = "stage", is = "lead" }'), ("segment2", "")):
        save_segment(tx, Segment(name, world.acme.site_id, name, text, "user x@y.example", world.clock()))
