"""Pipelines: their stages in order, what the pages call them, and the chance of a deal that stands in each."""

from pydantic import Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import Args, Body, Key, Line, Out, Path, Percent, Word
from tracker.access import audit
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.deals.pipelines import MOST_STAGES, StageTold, read_pipelines, tell_pipeline, written
from tracker.deals.probability import parse_probability, percent_text
from tracker.errors import NotFound
from tracker.reports.opportunity_facts import read_ways
from tracker.reports.opportunity_ways import ToldStage, stage_order
from tracker.vocabulary import NOT_SET, Audited

EXAMPLE = {
    "stages": [
        {"stage": "meeting", "label": "First meeting"},
        {"stage": "offer", "label": "Offer", "probability": "35.5"},
        {"stage": "contract", "label": "Contract", "probability": 80},
    ]
}


class PipelinePath(Path):
    """Which pipeline."""

    name: Key = Field(
        description="The pipeline as deals name it, without a slash; (not set) for deals without one.",
        examples=["sales"],
    )


class StageIn(Body):
    """A stage of a pipeline."""

    stage: Word = Field(description="The stage as deals name it.", examples=["offer"])
    label: Line | None = Field(None, description="What the pages call it; the same when not given.", examples=["Offer"])
    probability: Percent | None = Field(
        None,
        description="The chance that a deal in it will be won, in percent: 0 to 100 with at most two decimals. When "
        "not given it is measured from the site's own history.",
    )


class PipelineIn(Body):
    """A pipeline's stages."""

    stages: list[StageIn] = Field(
        max_length=MOST_STAGES,
        description="All its stages on the way to a close, the first one first; replaces those told before. An empty "
        "list forgets them: they are then in the order in which deals typically enter them.",
    )


class StageOut(Out):
    """A stage of a pipeline."""

    stage: str = Field(description="The stage as deals name it.", examples=["offer"])
    label: str | None = Field(description="What the pages call it.", examples=["Offer"])
    probability: str | None = Field(description="In percent, as told; null: measured.", examples=["35.5"])
    is_told: bool = Field(description="False: nobody told of it, deals stood in it.", examples=[True])


class PipelineOut(Out):
    """A pipeline."""

    name: str = Field(description="The pipeline's name.", examples=["sales"])
    stages: list[StageOut] = Field(description="Its stages, the first one first.")


class PipelineChanged(PipelineOut):
    """A pipeline after it was told of."""

    changed: bool = Field(description="False: it stood like this already; nothing was written.", examples=[True])


@operation(
    "PUT",
    "/pipelines/<name>",
    tag="Deals",
    path=PipelinePath,
    body=PipelineIn,
    gives=PipelineChanged,
    sample="/pipelines/sales",
    example=EXAMPLE,
)
def put_pipeline(name: str, body: PipelineIn, args: Args) -> PipelineChanged:
    """Tell of a pipeline: which stages it has, in which order, and what they promise.

    The opportunity report takes order, names and probabilities from here. A deal's own probability comes before its
    stage's. Told again with other stages, all past days are shown in the new order.
    """
    context, site = here(), token_site()
    now, pipeline = context.now(), name_kept(name)
    stages = [
        StageTold(one.stage, one.label, None if one.probability is None else parse_probability(one.probability))
        for one in body.stages
    ]
    with begin(context.engine) as tx:
        before = read_pipelines(tx, site.site_id).get(pipeline, ())
        changed = tell_pipeline(tx, site.site_id, pipeline, stages, now)
        if changed:
            details = {"before": written(before), "after": written(stages)}
            audit.note(tx, site.site_id, actor(), Audited.PIPELINE, name, now=now, details=details)
    return PipelineChanged(name=name, stages=[stage_out(one, is_told=True) for one in stages], changed=changed)


@operation("GET", "/pipelines/<name>", tag="Deals", path=PipelinePath, gives=PipelineOut, sample="/pipelines/sales")
def get_pipeline(name: str, args: Args) -> PipelineOut:
    """A pipeline's stages: those that were told, then those in which deals stood."""
    context, site = here(), token_site()
    pipeline = name_kept(name)
    with reading(context.engine) as tx:
        told = read_pipelines(tx, site.site_id).get(pipeline, ())
        ways = read_ways(tx, site.site_id, local_day(context.now(), site.timezone))
    known = {one.stage: one for one in told}
    seen = stage_order(ways, pipeline, [ToldStage(one.stage, one.label, one.probability_bp) for one in told])
    if not known and not seen:
        raise NotFound(f"no pipeline {name[:40]!r}")
    rest = [StageTold(stage) for stage in seen if stage not in known]
    stages = [*(stage_out(one, is_told=True) for one in told), *(stage_out(one, is_told=False) for one in rest)]
    return PipelineOut(name=name, stages=stages)


def name_kept(name: str) -> str:
    """A pipeline's name as it is kept: deals without one have ''."""
    return "" if name == NOT_SET else name


def stage_out(one: StageTold, *, is_told: bool) -> StageOut:
    """A stage as the API gives it."""
    probability = None if one.probability_bp is None else percent_text(one.probability_bp)
    return StageOut(stage=one.stage, label=one.label, probability=probability, is_told=is_told)
