"""A pipeline's stages, as an owner settles them: their order, their names, their probabilities."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.frame import address, site_named
from api.pages.routes import routes
from api.trust import Audience, actor, audience
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.deals.pipelines import StageTold, read_pipelines, tell_pipeline, written
from tracker.deals.probability import parse_probability, percent_text
from tracker.errors import Invalid
from tracker.reports.opportunity import pipelines_of, shown_pipeline
from tracker.reports.opportunity_facts import read_ways
from tracker.reports.opportunity_ways import ToldStage, stage_order
from tracker.urls import clean_text
from tracker.vocabulary import NOT_SET, Audited, Role

MOST_TEXT = 255
BLANK_ROWS = 2
MOST_ROWS = 120


@dataclass(frozen=True, slots=True)
class StageRow:
    """A row of the form as it was filled in; `errors`: what is wrong, by the field's name."""

    stage: str
    order: str
    label: str
    probability: str
    errors: Mapping[str, str]
    is_new: bool = False


@routes.get("/reports/opportunities/stages")
@audience(Audience.PEOPLE, least=Role.OWNER)
def opportunity_stages() -> ResponseReturnValue:
    """The form."""
    site = site_named()
    pipeline = pipeline_asked()
    rows, names = rows_known(site, pipeline)
    return shown(site, pipeline, rows, names)


@routes.post("/reports/opportunities/stages")
@audience(Audience.PEOPLE, least=Role.OWNER)
def save_opportunity_stages() -> ResponseReturnValue:
    """Save what was filled in, or forget what was told; what is wrong is said beside its field."""
    site = site_named()
    pipeline = pipeline_asked()
    rows = [] if request.form.get("forget") else rows_filled_in()
    if any(row.errors for row in rows):
        return shown(site, pipeline, rows, rows_known(site, pipeline)[1]), 422
    kept = sorted((row for row in rows if row.order), key=lambda row: int(row.order))
    stages = [
        StageTold(row.stage, row.label or None, parse_probability(row.probability) if row.probability else None)
        for row in kept
    ]
    now = here().now()
    with begin(here().engine) as tx:
        before = read_pipelines(tx, site.site_id).get(pipeline, ())
        if tell_pipeline(tx, site.site_id, pipeline, stages, now):
            details = {"before": written(before), "after": written(stages)}
            audit.note(tx, site.site_id, actor(), Audited.PIPELINE, shown_pipeline(pipeline), now=now, details=details)
    flash(gettext("The stages are saved."), "success")
    return redirect(address(url_for("pages.opportunities"), {"pipeline": shown_pipeline(pipeline), "site": site.key}))


def pipeline_asked() -> str:
    """The pipeline that the address names, '' for deals without one."""
    name = request.args.get("pipeline", NOT_SET)
    return "" if name == NOT_SET else (clean_text(name, MOST_TEXT) or "")


def rows_known(site: Site, pipeline: str) -> tuple[list[StageRow], list[str]]:
    """The stages that were told and those that deals stood in, as rows; and the names of the site's pipelines."""
    with reading(here().engine) as tx:
        told = read_pipelines(tx, site.site_id)
        ways = read_ways(tx, site.site_id, local_day(here().now(), site.timezone))
    own = told.get(pipeline, ())
    known = {one.stage: one for one in own}
    order = stage_order(ways, pipeline, [ToldStage(one.stage, one.label, one.probability_bp) for one in own])
    stages = list(dict.fromkeys([*known, *order]))
    rows = [
        row_of(known.get(stage, StageTold(stage)), str(10 * place) if stage in known or not known else "")
        for place, stage in enumerate(stages, 1)
    ]
    return rows, [one.name for one in pipelines_of(ways, told)]


def row_of(one: StageTold, order: str) -> StageRow:
    """A stage as a row."""
    probability = "" if one.probability_bp is None else percent_text(one.probability_bp)
    return StageRow(one.stage, order, one.label or "", probability, {})


def rows_filled_in() -> list[StageRow]:
    """The rows of the form with what is wrong in each; rows without a stage are left out."""
    rows: list[StageRow] = []
    seen: set[str] = set()
    for n in range(MOST_ROWS):
        if f"stage_{n}" not in request.form:
            break
        given = {name: request.form.get(f"{name}_{n}", "").strip() for name in ("order", "label", "probability")}
        stage = clean_text(request.form[f"stage_{n}"], MOST_TEXT + 1) or ""
        is_new = request.form.get(f"new_{n}") == "1"
        if is_new and not stage:
            continue
        errors = wrong_in(given)
        if len(stage) > MOST_TEXT:
            errors["stage"] = gettext("At most 255 characters.")
        if stage in seen:
            errors["stage"] = gettext("This stage is there already.")
        seen.add(stage)
        label = clean_text(given["label"], MOST_TEXT + 1) or ""
        rows.append(StageRow(stage, given["order"], label, given["probability"], errors, is_new))
    return rows


def wrong_in(given: Mapping[str, str]) -> dict[str, str]:
    """What is wrong in a row, by the field's name."""
    errors: dict[str, str] = {}
    if not re.fullmatch(r"[0-9]{0,4}", given["order"]):
        errors["order"] = gettext("A whole number, or nothing.")
    if len(given["label"]) > MOST_TEXT:
        errors["label"] = gettext("At most 255 characters.")
    if given["probability"]:
        try:
            parse_probability(given["probability"])
        except Invalid:
            errors["probability"] = gettext("0 to 100 with at most two decimals.")
    return errors


def shown(site: Site, pipeline: str, rows: list[StageRow], names: list[str]) -> str:
    """The form with its rows and some blank ones."""
    blank = [StageRow("", "", "", "", {}, is_new=True) for _ in range(BLANK_ROWS)]
    here_ = {"pipeline": shown_pipeline(pipeline)}
    return render_template(
        "opportunity_stages.html",
        pipeline=pipeline,
        pipelines=[
            (name, address(url_for("pages.opportunity_stages"), {"pipeline": shown_pipeline(name)})) for name in names
        ],
        rows=[*rows, *blank],
        post_href=address(url_for("pages.save_opportunity_stages"), here_ | {"site": site.key}),
        back_href=address(url_for("pages.opportunities"), here_),
    )
