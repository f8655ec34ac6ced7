"""Definitions for programs: read what leads to which stage, propose a version, try one. Signing is for people only."""

from typing import Literal

from pydantic import Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import CONTROL, Args, At, Body, Instant, Out, Path
from tracker.access import audit
from tracker.clock import format_instant
from tracker.db.store import begin, reading
from tracker.errors import Invalid
from tracker.lifecycle.definition import MOST_CHARACTERS, read_definition
from tracker.lifecycle.settled import restage, stages_of
from tracker.lifecycle.stages import one_of_the_sites
from tracker.lifecycle.versions import LONGEST_REASON, Saved, parsed, save_definition, saved_version, saved_versions
from tracker.reports.trial import UNSAVED, Ask, Drift, Reading, Sample, Trial, Tried, drift_of, in_force, try_definition
from tracker.vocabulary import Audited, Stage

TEXT = '[[rule]]\nname = "Demo request"\nstage = "salesqualifiedlead"\nwhen = { form = "demo" }\n'
EXAMPLE = {"text": TEXT, "reason": "Sales calls whoever asks for a demo", "from_at": "2026-04-01T00:00:00+09:00"}
ReadingWord = Literal["all_along", "as_dated"]


class DefinitionPath(Path):
    """Which version."""

    version: int = Field(ge=1, le=10**6, description="The version's number.", examples=[1])


class DefinitionIn(Body):
    """A version to propose."""

    text: str = Field(
        min_length=1, max_length=MOST_CHARACTERS, description="Rules and points as TOML.", examples=[TEXT]
    )
    reason: str = Field(
        min_length=1, max_length=LONGEST_REASON, pattern=CONTROL, description="Why.", examples=["As agreed in March"]
    )
    from_at: Instant | None = Field(
        None,
        description="From when on it counts, once both sides have signed it; from now on when not given. A past "
        "day says anew what people were then.",
    )


class SignOffOut(Out):
    """A signature."""

    side: str = Field(description="marketing or sales.", examples=["marketing"])
    signed_by: str = Field(description="Who signed.", examples=["user alice@acme.example"])
    signed_at: At = Field(description="When.")


class DefinitionOut(Out):
    """A version of a site's definition."""

    version: int = Field(description="Its number.", examples=[1])
    state: str = Field(
        description="open (waits to be signed), signed, or withdrawn; is_in_force: which of the signed ones counts.",
        examples=["open"],
    )
    is_in_force: bool = Field(description="Whether it is the one that counts now.", examples=[False])
    text: str = Field(description="Rules and points as TOML.", examples=[TEXT])
    reason: str = Field(description="Why it was changed.", examples=["As agreed in March"])
    saved_by: str = Field(description="Who wrote it.", examples=["user alice@acme.example"])
    saved_at: At = Field(description="When it was saved.")
    from_at: At = Field(description="From when on it counts, once it is signed.")
    signed_at: At | None = Field(description="When the last side signed; null: it does not count.")
    sign_offs: list[SignOffOut] = Field(description="Who signed so far.")


class DefinitionsOut(Out):
    """All versions, the newest first."""

    in_force: int | None = Field(description="The version that counts now; null: none.", examples=[1])
    data: list[DefinitionOut] = Field(description="The versions.")


@operation("GET", "/definitions", tag="Definitions", gives=DefinitionsOut, sample="/definitions")
def list_definitions(args: Args) -> DefinitionsOut:
    """All versions of the site's definition, with their signatures."""
    context, site_id = here(), token_site().site_id
    with reading(context.engine) as tx:
        counts = in_force(tx, site_id, context.now())
        number = counts.version if counts else None
        return DefinitionsOut(in_force=number, data=[shown(one, number) for one in saved_versions(tx, site_id)])


@operation(
    "GET",
    "/definitions/<int:version>",
    tag="Definitions",
    path=DefinitionPath,
    gives=DefinitionOut,
    sample="/definitions/1",
)
def get_definition(version: int, args: Args) -> DefinitionOut:
    """One version."""
    context, site_id = here(), token_site().site_id
    with reading(context.engine) as tx:
        counts = in_force(tx, site_id, context.now())
        return shown(saved_version(tx, site_id, version), counts.version if counts else None)


@operation(
    "POST",
    "/definitions",
    tag="Definitions",
    body=DefinitionIn,
    gives=DefinitionOut,
    status=201,
    sample="/definitions",
    example=EXAMPLE,
)
def propose_definition(body: DefinitionIn, args: Args) -> DefinitionOut:
    """Propose a version; two people sign it on its page, one for marketing and one for sales, before it counts.

    A token cannot sign. Where the site settled that nobody has to, it counts at once, and everybody is counted anew.
    """
    context, site_id = here(), token_site().site_id
    now = context.now()
    with begin(context.engine) as tx:
        saved = save_definition(tx, site_id, body.text, reason=body.reason, by=actor(), now=now, from_at=body.from_at)
        details = {"reason": saved.reason, "from_at": format_instant(saved.from_at)}
        audit.note(tx, site_id, actor(), Audited.DEFINITION, str(saved.version), now=now, details=details)
        if saved.signed_at is not None:
            restage(tx, site_id)
        counts = in_force(tx, site_id, now)
        return shown(saved, counts.version if counts else None)


def shown(one: Saved, in_force_now: int | None) -> DefinitionOut:
    """A version as the API gives it."""
    state = "withdrawn" if one.withdrawn_at else "open" if one.is_open else "signed"
    return DefinitionOut(
        version=one.version,
        state=state,
        is_in_force=one.version == in_force_now,
        text=one.text,
        reason=one.reason,
        saved_by=one.saved_by,
        saved_at=format_instant(one.saved_at),
        from_at=format_instant(one.from_at),
        signed_at=format_instant(one.signed_at) if one.signed_at else None,
        sign_offs=[
            SignOffOut(side=each.side.value, signed_by=each.signed_by, signed_at=format_instant(each.signed_at))
            for each in one.sign_offs
        ],
    )


# --- tried on history -----------------------------------------------------------------------------------------------


class TryIn(Body):
    """What to try; nothing is saved."""

    text: str | None = Field(
        None, min_length=1, max_length=MOST_CHARACTERS, description="A definition as TOML.", examples=[TEXT]
    )
    version: int | None = Field(None, ge=1, le=10**6, description="Or a saved version.", examples=[2])
    against: int | None = Field(
        None, ge=1, le=10**6, description="The version beside it (all_along); the one in force when not given.",
        examples=[1],
    )  # fmt: skip
    reading: ReadingWord = Field(
        "all_along",
        description="all_along: both as if nothing else had ever counted; as_dated: all signed versions from their "
        "days on, with and without the tried one.",
    )
    stage: str = Field(
        Stage.MQL.value, max_length=64, pattern=CONTROL, description="The stage that is counted by month.",
        examples=["marketingqualifiedlead"],
    )  # fmt: skip
    from_at: Instant | None = Field(None, description="Of a text that is read as_dated: from when on it would count.")
    whole: bool = Field(False, description="Look at everybody, also of more than 20,000 people.", examples=[False])


class SampleOut(Out):
    """Who was looked at."""

    n_all: int = Field(description="How many people there are.", examples=[5210])
    every: int = Field(description="Every n-th of them by id; 1: all.", examples=[1])
    n_people: int = Field(description="How many were looked at, without those merged into others.", examples=[5200])


class MoveOut(Out):
    """How many would stand elsewhere."""

    before: str | None = Field(description="Their stage under A; null: none.", examples=["lead"])
    after: str | None = Field(description="Their stage under B; null: none.", examples=["salesqualifiedlead"])
    people: int = Field(description="How many.", examples=[12])


class MoverOut(Out):
    """Who would stand elsewhere."""

    id: str = Field(description="The contact's id.", examples=["0af3c1d2e4b5968778695a4b3c2d1e0f"])
    before: str | None = Field(description="Their stage under A; null: none.", examples=["lead"])
    after: str | None = Field(description="Their stage under B; null: none.", examples=["salesqualifiedlead"])


class FunnelOut(Out):
    """A stage under A and B, in this order."""

    stage: str = Field(description="The stage.", examples=["salesqualifiedlead"])
    reached: list[int] = Field(description="People who came into it or a later one.", examples=[[40, 52]])
    entered: list[int] = Field(description="Comings into it.", examples=[[41, 53]])


class TrialMonth(Out):
    """A month."""

    month: str = Field(description="The month in the site's zone.", examples=["2026-04"])
    people: list[int] = Field(description="Who came into the stage for the first time, by column.", examples=[[12, 9]])


class DefinitionTrialOut(Out):
    """What a definition would change."""

    against: int | None = Field(description="The version of side A; null: none, or all by their days.", examples=[1])
    sample: SampleOut = Field(description="Of whom the figures are.", examples=[{"every": 1}])
    n_elsewhere: int = Field(description="Who would stand in another stage.", examples=[12])
    n_otherwise: int = Field(description="Whose way would be another, these included.", examples=[15])
    moves: list[MoveOut] = Field(description="From which stage to which.")
    people: list[MoverOut] = Field(description="The first 200 of them by id.")
    funnel: list[FunnelOut] = Field(description="Each stage under A and B.")
    months: list[TrialMonth] = Field(description="First entries into the stage by month, under A and B.")


@operation(
    "POST",
    "/definitions/try",
    tag="Definitions",
    body=TryIn,
    gives=DefinitionTrialOut,
    sample="/definitions/try",
    example={"text": TEXT},
)
def try_a_definition(body: TryIn, args: Args) -> DefinitionTrialOut:
    """Try a definition on history: who would stand elsewhere, and the funnel under both."""
    context, site = here(), token_site()
    now = context.now()
    if (body.text is None) == (body.version is None):
        raise Invalid("give either text or version", field="text")
    with reading(context.engine) as tx:
        stages = stages_of(tx, site.site_id)
        one_of_the_sites(stages, body.stage)
        if body.text is not None:
            tried = Tried(UNSAVED, read_definition(body.text, stages.names), body.from_at or now)
        else:
            saved = saved_version(tx, site.site_id, body.version or 0)
            tried = Tried(saved.version, parsed(saved.text), saved.from_at)
        ask = Ask(Reading(body.reading), body.against, body.stage, body.whole)
        return trial_out(try_definition(tx, site, tried, ask, now))


def trial_out(trial: Trial) -> DefinitionTrialOut:
    """A trial as the API gives it."""
    found = trial.result
    return DefinitionTrialOut(
        against=trial.against,
        sample=sample_out(trial.sample, found.n_people),
        n_elsewhere=found.n_elsewhere,
        n_otherwise=found.n_otherwise,
        moves=[MoveOut(before=one.before, after=one.after, people=one.n) for one in found.moves],
        people=[MoverOut(id=one.contact_id, before=one.before, after=one.after) for one in found.movers],
        funnel=[
            FunnelOut(stage=one.stage, reached=list(one.reached), entered=list(one.entered)) for one in found.stages
        ],
        months=[TrialMonth(month=one.month, people=list(one.n)) for one in found.months],
    )


def sample_out(sample: Sample, n_people: int) -> SampleOut:
    """Who was looked at."""
    return SampleOut(n_all=sample.n_all, every=sample.every, n_people=n_people)


# --- drift ----------------------------------------------------------------------------------------------------------


class DriftArgs(Args):
    """Of which stage."""

    stage: str = Field(
        Stage.MQL.value, max_length=64, pattern=CONTROL, description="The stage; MQL when not given.",
        examples=["marketingqualifiedlead"],
    )  # fmt: skip
    whole: bool = Field(False, description="Look at everybody, also of more than 20,000 people.", examples=[False])


class DriftOut(Out):
    """How the count of a stage depends on the definition."""

    stage: str = Field(description="The stage.", examples=["marketingqualifiedlead"])
    columns: list[str] = Field(
        description="counted: as it was; then each signed version as if it had been in force all along.",
        examples=[["counted", "version 1", "version 2"]],
    )
    months: list[TrialMonth] = Field(description="By month, one figure a column.")
    sample: SampleOut = Field(description="Of whom the figures are.", examples=[{"every": 1}])


@operation("GET", "/definitions/drift", tag="Definitions", args=DriftArgs, gives=DriftOut, sample="/definitions/drift")
def get_drift(args: DriftArgs) -> DriftOut:
    """First entries into a stage by month, as counted and under each signed version all along (the newest eight)."""
    context, site = here(), token_site()
    with reading(context.engine) as tx:
        one_of_the_sites(stages_of(tx, site.site_id), args.stage)
        found: Drift = drift_of(tx, site, args.stage, context.now(), whole=args.whole)
    return DriftOut(
        stage=found.stage,
        columns=["counted", *(f"version {one}" for one in found.versions)],
        months=[TrialMonth(month=one.month, people=list(one.n)) for one in found.months],
        sample=sample_out(found.sample, found.n_people),
    )
