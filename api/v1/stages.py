"""The stages of the life cycle: which there are, in which order, and words on many people at once."""

from dataclasses import replace
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import Args, Body, ContactId, Email, Instant, Key, Out, StageName, any_text, not_in_future, refuse
from tracker import flow
from tracker.access import audit
from tracker.access.sites import Site
from tracker.db.store import Tx, begin, reading
from tracker.lifecycle.changing import change_stages, standings, written
from tracker.lifecycle.settled import Lifecycle, lifecycle_of, save_lifecycle, stages_of
from tracker.lifecycle.stages import LONGEST_LABEL, MOST_STAGES, OwnStage, Stages
from tracker.stagefiles.planning import Planned, plan, take_in
from tracker.stagefiles.reading import Named, StageRow, Wrong
from tracker.vocabulary import Audited, StageCause

MOST_CHANGES = 500
EXAMPLE = {
    "stages": [
        {"stage": "lead"},
        {"stage": "marketingqualifiedlead"},
        {"stage": "salesqualifiedlead"},
        {"stage": "trial", "label": "Free trial"},
        {"stage": "opportunity"},
        {"stage": "customer"},
        {"stage": "evangelist", "label": "Advocate"},
        {"stage": "other"},
    ]
}
CHANGES = {
    "changes": [
        {"email": "hana@kyoto.example", "stage": "salesqualifiedlead", "at": "2026-04-01T09:00:00+09:00"},
        {"crm_id": "003-17", "stage": "customer"},
    ]
}


Label = Annotated[str, Field(max_length=LONGEST_LABEL), AfterValidator(any_text)]


class SiteStageIn(Body):
    """A stage."""

    stage: StageName = Field(
        description="Its internal name: of HubSpot's where it is one of theirs.", examples=["lead"]
    )
    label: Label | None = Field(
        None,
        description="What the pages call it; null: the product's word in the reader's language.",
        examples=["Advocate"],
    )


class StagesIn(Body):
    """A site's stages, and how its life cycle is kept."""

    stages: list[SiteStageIn] = Field(
        min_length=4,
        max_length=MOST_STAGES,
        description="All stages, the first one first; those that are missing are taken away.",
    )
    needs_sign_off: bool | None = Field(
        None,
        description="Whether a definition counts only when marketing and sales have signed it. Stays when not given.",
        examples=[True],
    )
    people_follow_company: bool | None = Field(
        None,
        description="Whether what moves a company forward moves its people forward. Stays when not given.",
        examples=[False],
    )


class SiteStageOut(Out):
    """A stage and who is in it."""

    stage: str = Field(description="Its internal name.", examples=["lead"])
    label: str | None = Field(description="What the site calls it; null: the product's word.", examples=["Advocate"])
    people: int = Field(description="How many people are in it.", examples=[17])
    companies: int = Field(description="How many companies are in it.", examples=[3])


class StagesOut(Out):
    """A site's stages, and how its life cycle is kept."""

    stages: list[SiteStageOut] = Field(description="The first one first.")
    needs_sign_off: bool = Field(
        description="A definition counts only when marketing and sales have signed it.", examples=[True]
    )
    people_follow_company: bool = Field(
        description="What moves a company forward moves its people forward.", examples=[False]
    )
    is_restaging: bool = Field(
        description="Everybody's stages are being derived anew, for the order or a definition has changed.",
        examples=[False],
    )


class StagesChanged(StagesOut):
    """A site's stages after they were told of."""

    changed: bool = Field(description="False: they stood like this already; nothing was written.", examples=[True])


class ChangeIn(Body):
    """Somebody's stage. Give exactly one of email, crm_id and id."""

    email: Email | None = Field(None, description="E-mail address.")
    crm_id: Key | None = Field(None, description="The CRM's id of the person.", examples=["003-17"])
    id: ContactId | None = Field(None, description="The contact's id.")
    stage: StageName = Field(description="The stage, one of the site's.", examples=["customer"])
    at: Instant | None = Field(None, description="Since when the person is in it; now when not given.")

    @model_validator(mode="after")
    def one_name(self) -> Self:
        """Two names might be two people's."""
        if sum(value is not None for value in (self.email, self.crm_id, self.id)) != 1:
            raise refuse("give exactly one of email, crm_id and id")
        return self


class ChangesIn(Body):
    """Words on the stages of many people."""

    changes: list[ChangeIn] = Field(min_length=1, max_length=MOST_CHANGES, description="One for each person and time.")


class ChangeOut(Out):
    """What became of one word."""

    outcome: str = Field(
        description="changed; unchanged: the person was in this stage at that time already; refused.",
        examples=["changed"],
    )
    contact: str | None = Field(
        description="The contact that stays; null: nobody is known by this.",
        examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"],
    )
    before: str | None = Field(
        description="In which stage the person was at that time; null: in none.", examples=["lead"]
    )
    goes_back: bool = Field(description="The stage comes before the one they were in.", examples=[False])
    reason: str | None = Field(
        description="Why it is refused: unknown_person, unknown_stage, or twice (the same person without `at`).",
        examples=["unknown_person"],
    )


class ChangesOut(Out):
    """What became of many words."""

    changed: int = Field(description="How many changed a stage.", examples=[1])
    unchanged: int = Field(description="How many said what stood already.", examples=[1])
    refused: int = Field(description="How many were refused; the others count all the same.", examples=[0])
    data: list[ChangeOut] = Field(description="One for each, in their order.")


@operation("GET", "/stages", tag="Stages", gives=StagesOut, sample="/stages")
def get_stages(args: Args) -> StagesOut:
    """The stages of the life cycle in their order, and who is in each."""
    site = token_site()
    with reading(here().engine) as tx:
        return StagesOut(**shown(tx, site))


@operation(
    "PUT",
    "/stages",
    tag="Stages",
    body=StagesIn,
    gives=StagesChanged,
    refuses=(409,),
    sample="/stages",
    example=EXAMPLE,
)
def put_stages(body: StagesIn, args: Args) -> StagesChanged:
    """Settle the stages of the life cycle, all of them in their order.

    Lead, marketingqualifiedlead, salesqualifiedlead and customer stay, in this order. A stage that somebody is in, or
    that a rule leads to, cannot be taken away (409). Where the order changes, everybody's stages are derived anew:
    what moves by itself moves forward only.
    """
    site = token_site()
    chosen = [OwnStage(one.stage, one.label) for one in body.stages]
    with begin(here().engine) as tx:
        flow.take_turn(tx, site)
        stages_changed = change_stages(tx, site.site_id, chosen)
        if stages_changed:
            note(tx, site, {"before": written(stages_changed[0]), "after": written(stages_changed[1])})
        kept_changed = settle(tx, site, body)
        return StagesChanged(**shown(tx, site), changed=stages_changed is not None or kept_changed)


def settle(tx: Tx, site: Site, body: StagesIn) -> bool:
    """Keep how the life cycle is to be kept, where that was given; whether anything changed."""
    names = ("needs_sign_off", "people_follow_company")
    given = {name: value for name in names if (value := getattr(body, name)) is not None}
    before = lifecycle_of(tx, site.site_id)
    after = replace(before, **given)
    if after == before:
        return False
    is_moving = after.people_follow_company != before.people_follow_company
    save_lifecycle(tx, site.site_id, replace(after, restaged_id="") if is_moving else after)
    note(tx, site, {"before": {name: getattr(before, name) for name in given}, "after": given})
    return True


def note(tx: Tx, site: Site, details: dict[str, object]) -> None:
    """Write a change into the audit log."""
    audit.note(tx, site.site_id, actor(), Audited.STAGES, "stages", now=here().now(), details=details)


def shown(tx: Tx, site: Site) -> dict[str, object]:
    """The fields of StagesOut."""
    stages: Stages = stages_of(tx, site.site_id)
    kept: Lifecycle = lifecycle_of(tx, site.site_id)
    standing = standings(tx, site.site_id)
    return {
        "stages": [
            SiteStageOut(
                stage=one.name,
                label=one.label,
                people=standing[one.name].n_people if one.name in standing else 0,
                companies=standing[one.name].n_companies if one.name in standing else 0,
            )
            for one in stages.all
        ],
        "needs_sign_off": kept.needs_sign_off,
        "people_follow_company": kept.people_follow_company,
        "is_restaging": kept.restaged_id is not None,
    }


@operation(
    "POST",
    "/stages/changes",
    tag="Stages",
    body=ChangesIn,
    gives=ChangesOut,
    sample="/stages/changes",
    example=CHANGES,
)
def post_stage_changes(body: ChangesIn, args: Args) -> ChangesOut:
    """Say of up to 500 people in which stage they are, and since when.

    In one transaction; each is answered. What cannot be taken is refused by itself, the others count. Sent again it
    changes nothing. A word of the past takes its place in the person's history.
    """
    site, now = token_site(), here().now()
    for n, one in enumerate(body.changes):
        not_in_future(one.at, now, f"changes.{n}.at")
    with begin(here().engine) as tx:
        flow.take_turn(tx, site)
        stages = stages_of(tx, site.site_id)
        rows = [
            StageRow(
                line=n,
                who=Named(contact_id=one.id or "", crm_id=one.crm_id or "", email=one.email or ""),
                stage=one.stage,
                at=None if one.at is None else min(one.at, now),
            )
            for n, one in enumerate(body.changes)
        ]
        found = plan(tx, site, [row for row in rows if row.stage in stages], now)
        changed = take_in(tx, site, found, actor(), StageCause.API, now)
        if changed:
            details = {"people": len(changed), "changes": len(found.changes)}
            audit.note(tx, site.site_id, actor(), Audited.STAGE, "stages/changes", now=now, details=details)
    data = {row.line: refused(Wrong.UNKNOWN_STAGE) for row in rows if row.stage not in stages}
    data |= {one.line: refused(one.why) for one in found.wrong}
    data |= {one.row.line: taken(one) for one in found.planned}
    outcomes = [data[n].outcome for n in range(len(rows))]
    return ChangesOut(
        changed=outcomes.count("changed"),
        unchanged=outcomes.count("unchanged"),
        refused=outcomes.count("refused"),
        data=[data[n] for n in range(len(rows))],
    )


def taken(one: Planned) -> ChangeOut:
    """A word that counts, or says what stands already."""
    return ChangeOut(
        outcome="changed" if one.changes else "unchanged",
        contact=one.person.contact_id,
        before=one.before,
        goes_back=one.goes_back,
        reason=None,
    )


def refused(why: Wrong) -> ChangeOut:
    """A word that cannot be taken."""
    return ChangeOut(outcome="refused", contact=None, before=None, goes_back=False, reason=why.value)
