"""What follows a change of stage, for programs: tasks that the CRM fetches and does, and what became of all actions."""

from typing import Literal

from pydantic import Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import Args, At, Body, Line, Out, Path
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker import outbox
from tracker.access import audit
from tracker.access.sites import Site
from tracker.actions.act import read
from tracker.actions.listing import Action, actions_of
from tracker.actions.messages import Subject
from tracker.actions.subjects import subjects_of
from tracker.clock import format_instant
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, NotFound
from tracker.outbox import Item
from tracker.vocabulary import ActionKind, Audited, OutboxState, Scope, StageCause

EXAMPLE = {"reference": "00T5g00000Xy"}
TASKS, ITEMS = "tasks", "actions"
LARGEST_ID = 2**53 - 1
StateWord = Literal["waiting", "sent", "buried", "skipped"]


class StateArgs(PageArgs):
    """Of which state."""

    state: StateWord | None = Field(
        None,
        description="waiting: not done yet; sent: done; buried: failed for good; skipped: found out too late, or the "
        "action was switched off. When not given: all.",
        examples=["waiting"],
    )


class TaskPath(Path):
    """Which task."""

    task_id: int = Field(ge=1, le=LARGEST_ID, description="The task's number.", examples=[17])


class TaskDoneIn(Body):
    """What the CRM calls it, for the audit log."""

    reference: Line | None = Field(None, description="The CRM's own name of the task.", examples=["00T5g00000Xy"])


class ContactOut(Out):
    """A person, as known now."""

    id: str = Field(description="The contact's id.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    email: str | None = Field(description="The latest e-mail address.", examples=["hana@kyoto.example"])
    crm_id: str | None = Field(description="The CRM's id.", examples=["C-7"])
    name: str | None = Field(description="The name.", examples=["Hana Sato"])


class FirmOut(Out):
    """A company, as known now."""

    domain: str = Field(description="Its domain.", examples=["kyoto.example"])
    name: str | None = Field(description="Its name, if somebody told it.", examples=["Kyoto Tea K.K."])


class ItemOut(Out):
    """What one action does about one change of stage."""

    id: int = Field(description="Its number.", examples=[17])
    message_id: str = Field(description="As a webhook bears it.", examples=["act_5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    kind: ActionKind = Field(description="What is done.", examples=["crm_task"])
    action: str | None = Field(description="The action's name; null: it is deleted.", examples=["Call customers"])
    task: str | None = Field(description="Of a CRM's task: what is to be done.", examples=["Call within a day"])
    state: OutboxState = Field(description="Where it stands.", examples=["waiting"])
    test: bool = Field(description="True: nothing happened, somebody tries the action.", examples=[False])
    scope: Scope = Field(description="Whether a person or a company came into the stage.", examples=["contact"])
    contact: ContactOut | None = Field(description="The person; null of a company, and who is not there any more.")
    company: FirmOut | None = Field(description="The company; null of a person.")
    from_stage: str | None = Field(description="The stage before; null: none.", examples=["lead"])
    to_stage: str = Field(description="The stage they came into.", examples=["customer"])
    at: At = Field(description="When that was.")
    cause: StageCause = Field(description="What moved them.", examples=["rule"])
    decided_by: str = Field(description="Who or which rule.", examples=["Asked for a price"])
    version: int | None = Field(description="Of the definition, where a rule decided.", examples=[3])
    put_at: At = Field(description="When it was found out.")
    tries: int = Field(description="How often it was sent.", examples=[0])
    error: str | None = Field(description="Of the last try: the kind of failure.", examples=["HTTP 503"])
    settled_at: At | None = Field(description="When it was done or given up; null: it waits.")


class ItemsOut(PageOut):
    """Items, the newest first."""

    data: list[ItemOut] = Field(description="The items.")


class TaskDone(Out):
    """A task after it was done."""

    changed: bool = Field(description="False: it was done already.", examples=[True])
    data: ItemOut = Field(description="The task.")


@operation("GET", "/tasks", tag="Actions", args=StateArgs, gives=ItemsOut, sample="/tasks?state=waiting")
def list_tasks(args: StateArgs) -> ItemsOut:
    """List what the CRM has to do, the newest first: a task for each change of stage that an action is about.

    Fetch those that wait, make a task of each in the CRM, and say that it is done. Nothing else happens to them.
    """
    return listed(args, TASKS, ActionKind.CRM_TASK)


@operation(
    "POST",
    "/tasks/<task_id>/done",
    tag="Actions",
    path=TaskPath,
    body=TaskDoneIn,
    gives=TaskDone,
    refuses=(409,),
    sample="/tasks/$TASK/done",
    example=EXAMPLE,
)
def finish_task(task_id: int, body: TaskDoneIn, args: Args) -> TaskDone:
    """Say that a task is done, or that the CRM has it: it waits no more.

    Saying so again changes nothing. One that was skipped is a conflict (409): an owner may send it on the page.
    """
    context, site = here(), token_site()
    with begin(context.engine) as tx:
        item = task_of(tx, site, task_id)
        if item.state in {OutboxState.SKIPPED, OutboxState.BURIED}:
            raise Conflict("this task was skipped; an owner may send it on the page")
        changed = item.state is OutboxState.WAITING and outbox.settle_sent(tx, item, context.now())
        (found,) = items_out(tx, site, [task_of(tx, site, task_id)])
        if changed:
            details = {"done": item.message_id, **({"reference": body.reference} if body.reference else {})}
            audit.note(
                tx, site.site_id, actor(), Audited.ACTION, found.action or "", now=context.now(), details=details
            )
    return TaskDone(changed=changed, data=found)


@operation("GET", "/actions/items", tag="Actions", args=StateArgs, gives=ItemsOut, sample="/actions/items?limit=10")
def list_action_items(args: StateArgs) -> ItemsOut:
    """List what became of all actions, the newest first: webhooks, messages, mails, tasks and segments."""
    return listed(args, ITEMS, None)


def listed(args: StateArgs, name: str, kind: ActionKind | None) -> ItemsOut:
    """A page of items."""
    site = token_site()
    before = key_of(name, args.cursor, int)
    state = OutboxState(args.state) if args.state else None
    with reading(here().engine) as tx:
        found = outbox.items_of(
            tx, site.site_id, args.limit + 1, before=before[0] if before else None, state=state, kind=kind
        )
        shown = found[: args.limit]
        more = cursor_of(name, shown[-1].outbox_id) if len(found) > args.limit else None
        return ItemsOut(data=items_out(tx, site, shown), next_cursor=more)


def task_of(tx: Tx, site: Site, task_id: int) -> Item:
    """A task of the site; raises NotFound."""
    item = outbox.find_item(tx, site.site_id, task_id)
    if item is None or item.kind is not ActionKind.CRM_TASK:
        raise NotFound(f"no task {task_id}")
    return item


def items_out(tx: Tx, site: Site, items: list[Item]) -> list[ItemOut]:
    """Items as the API gives them."""
    known = {one.action_id: one for one in actions_of(tx, site.site_id)} if items else {}
    about = subjects_of(tx, site.site_id, [(Scope(one.payload["scope"]), one.subject) for one in items])
    return [item_out(one, known.get(one.action_id), about) for one in items]


def item_out(one: Item, action: Action | None, about: dict[tuple[Scope, str], Subject]) -> ItemOut:
    """One item as the API gives it."""
    asked = read(one)
    move, whom = asked.moved, None if asked.is_test else about.get((asked.moved.scope, one.subject))
    person = whom if whom is not None and move.scope is Scope.CONTACT else None
    firm = whom if whom is not None and move.scope is Scope.COMPANY else None
    return ItemOut(
        id=one.outbox_id,
        message_id=one.message_id,
        kind=one.kind,
        action=action.name if action else None,
        task=action.target if action and one.kind is ActionKind.CRM_TASK else None,
        state=one.state,
        test=asked.is_test,
        scope=move.scope,
        contact=ContactOut(id=person.key, email=person.email, crm_id=person.crm_id, name=person.name)
        if person
        else None,
        company=FirmOut(domain=firm.key, name=firm.name) if firm else None,
        from_stage=move.before,
        to_stage=move.stage,
        at=format_instant(move.at),
        cause=move.cause,
        decided_by=move.decided_by,
        version=move.version,
        put_at=format_instant(one.put_at),
        tries=one.n_tries,
        error=one.error,
        settled_at=None if one.settled_at is None else format_instant(one.settled_at),
    )
