"""A site's actions: what is done when somebody comes into a stage. Made, switched, taken away; each checked here."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import RowMapping, delete, insert, select, update

from tracker import outbox
from tracker.connectors.outgoing import check_url
from tracker.db.schema import actions, segments
from tracker.db.store import Tx
from tracker.errors import Conflict, Invalid, NotFound
from tracker.vocabulary import ActionKind, Scope

MOST_ACTIONS = 50
LONGEST_NAME = 80
LONGEST_TASK = 200
# Why something that waited does not go out.
DELETED, SWITCHED_OFF = "deleted", "switched_off"


@dataclass(frozen=True, slots=True)
class Action:
    """What is done when somebody comes into a stage.

    stage     its internal name; '' for any
    target    of a webhook its address, of Slack the host alone; of a mail who gets it, of a task what is to be done, of
              a segment its id
    secret    sealed: a webhook's, with which it is signed, or Slack's whole address, which is one
    since_at  what happened before does nothing
    saved_by  'user alice@acme.example'
    """

    action_id: str
    site_id: int
    name: str
    scope: Scope
    stage: str
    kind: ActionKind
    target: str
    is_on: bool
    since_at: datetime
    saved_by: str
    secret: bytes | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The target without what may be a secret: of a webhook, its host."""
        return urlsplit(self.target).netloc if self.kind is ActionKind.WEBHOOK else self.target


def actions_of(tx: Tx, site_id: int) -> list[Action]:
    """A site's actions, the oldest first."""
    query = select(actions).where(actions.c.site_id == site_id).order_by(actions.c.since_at, actions.c.action_id)
    return [action_of(row) for row in tx.execute(query).mappings()]


def actions_on(tx: Tx, site_id: int) -> list[Action]:
    """Those that are switched on."""
    query = select(actions).where(actions.c.site_id == site_id, actions.c.is_on)
    return [action_of(row) for row in tx.execute(query).mappings()]


def find_action(tx: Tx, site_id: int, action_id: str) -> Action:
    """One action of a site; raises NotFound."""
    query = select(actions).where(actions.c.site_id == site_id, actions.c.action_id == action_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no action {action_id[:40]!r}")
    return action_of(row)


def checked(one: Action, stages: Sequence[str], *, may_be_private: bool) -> Action:
    """An action that may be kept, its words trimmed; raises Invalid with the field.

    stages  the site's
    """
    name, target = " ".join(one.name.split()), one.target.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"needs a name of at most {LONGEST_NAME} characters", field="name")
    if one.stage and one.stage not in stages:
        raise Invalid("is no stage of this site", field="stage")
    if one.kind is ActionKind.WEBHOOK:
        target = check_url(target, may_be_private=may_be_private)
    elif one.kind is ActionKind.CRM_TASK and not (target.isprintable() and 0 < len(target) <= LONGEST_TASK):
        raise Invalid(f"needs a task of at most {LONGEST_TASK} characters", field="target")
    elif one.kind is ActionKind.SEGMENT and one.scope is Scope.COMPANY:
        raise Invalid("a segment has people, and no companies", field="scope")
    elif not target:
        raise Invalid("is missing", field="target")
    kept = {of.name: getattr(one, of.name) for of in fields(one)}
    return Action(**{**kept, "name": name, "target": target})


def add_action(tx: Tx, one: Action) -> None:
    """Keep a checked action.

    raises  Conflict: there are too many. NotFound: no such segment of this site
    """
    known = actions_of(tx, one.site_id)
    if len(known) >= MOST_ACTIONS:
        raise Conflict(f"a site has at most {MOST_ACTIONS} actions", field="name")
    if one.kind is ActionKind.SEGMENT:
        query = select(segments.c.segment_id).where(
            segments.c.site_id == one.site_id, segments.c.segment_id == one.target
        )
        if tx.execute(query).first() is None:
            raise NotFound("no such segment", field="target")
    row = {of.name: getattr(one, of.name) for of in fields(one)}
    tx.execute(insert(actions), [{**row, "scope": one.scope.value, "kind": one.kind.value}])


def switch(tx: Tx, one: Action, now: datetime, *, is_on: bool) -> int:
    """Switch an action on, from now on, or off: then what waits does not go out. Returns how much that is."""
    values = {"is_on": is_on, **({"since_at": now} if is_on and not one.is_on else {})}
    tx.execute(update(actions).where(actions.c.action_id == one.action_id).values(**values))
    return 0 if is_on else outbox.skip_waiting(tx, one.action_id, SWITCHED_OFF, now)


def remove_action(tx: Tx, one: Action, now: datetime) -> int:
    """Take an action away; what waits of it does not go out. Returns how much that is; what went out stays visible."""
    tx.execute(delete(actions).where(actions.c.action_id == one.action_id))
    return outbox.skip_waiting(tx, one.action_id, DELETED, now)


def action_of(row: RowMapping) -> Action:
    """A row as a record."""
    return Action(**{**row, "scope": Scope(row["scope"]), "kind": ActionKind(row["kind"])})
