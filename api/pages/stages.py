"""The stages of a site's life cycle: their order and names, who is in each, and how the life cycle is kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.frame import address, site_named
from api.pages.routes import routes
from api.pages.shown import word
from api.pages.stage_words import forget_seen, stages_seen
from api.trust import Audience, actor, audience, is_owner, site_seen
from tracker import flow
from tracker.access import audit
from tracker.access.sites import Site
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Invalid
from tracker.lifecycle.changing import Standing, change_stages, standings, written
from tracker.lifecycle.settled import lifecycle_of, save_lifecycle
from tracker.lifecycle.stages import LONGEST_LABEL, MOST_STAGES, NAME, NEEDED, OwnStage
from tracker.urls import clean_text
from tracker.vocabulary import Audited, Role, Stage


@dataclass(frozen=True, slots=True)
class StageRow:
    """A row of the form as it was filled in.

    shipped  the product's own word for it, '' for a stage that is the site's alone
    errors   what is wrong, by the field's name
    """

    name: str
    order: str
    label: str
    shipped: str
    n_people: int
    n_companies: int
    people_href: str
    is_kept: bool
    why_kept: str
    errors: Mapping[str, str]
    is_new: bool = False


@routes.get("/stages")
@audience(Audience.PEOPLE)
def stages() -> ResponseReturnValue:
    """The stages as they are; owners change them."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    return stages_page(site)


@routes.post("/stages")
@audience(Audience.PEOPLE, least=Role.OWNER)
def save_stages() -> ResponseReturnValue:
    """Save what was filled in; `up`, `down` and `take` name a stage that is moved or taken away besides."""
    site = site_named()
    asked = filled_in()
    errors = wrong_in(asked)
    if errors:
        return stages_page(site, asked, errors), 422
    chosen = moved([OwnStage(one.name, one.label or None) for one in in_order(asked)])
    try:
        with begin(here().engine) as tx:
            flow.take_turn(tx, site)
            changed = change_stages(tx, site.site_id, chosen)
            if changed:
                note_change(tx, site, {"before": written(changed[0]), "after": written(changed[1])})
    except (Invalid, Conflict) as error:
        forget_seen()
        return stages_page(site, asked, {"": reason(error)}), 422
    flash(saved_text(changed is not None and changed[0].names != changed[1].names), "success")
    return redirect(url_for("pages.stages", site=site.key))


@routes.post("/stages/settings")
@audience(Audience.PEOPLE, least=Role.OWNER)
def save_stage_settings() -> ResponseReturnValue:
    """How the life cycle is kept: needs_sign_off, people_follow_company."""
    site = site_named()
    with begin(here().engine) as tx:
        flow.take_turn(tx, site)
        before = lifecycle_of(tx, site.site_id)
        after = replace(
            before,
            needs_sign_off=bool(request.form.get("needs_sign_off")),
            people_follow_company=bool(request.form.get("people_follow_company")),
        )
        if after != before:
            if after.people_follow_company != before.people_follow_company:
                after = replace(after, restaged_id="")
            save_lifecycle(tx, site.site_id, after)
            names = ("needs_sign_off", "people_follow_company")
            note_change(
                tx,
                site,
                {
                    "before": {name: getattr(before, name) for name in names},
                    "after": {name: getattr(after, name) for name in names},
                },
            )
    flash(gettext("Saved."), "success")
    return redirect(url_for("pages.stages", site=site.key))


def note_change(tx: Tx, site: Site, details: Mapping[str, object]) -> None:
    """Write a change into the audit log."""
    audit.note(tx, site.site_id, actor(), Audited.STAGES, "stages", now=here().now(), details=details)


def saved_text(is_restaged: bool) -> str:
    """What follows from what was saved."""
    if is_restaged:
        return str(gettext("The stages are saved. Everybody’s stages are being derived anew."))
    return str(gettext("The stages are saved."))


# --- the form -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filled:
    """A row of the form: as it was sent, cleaned."""

    name: str
    order: str
    label: str
    is_new: bool


def filled_in() -> list[Filled]:
    """The rows of the form; a new one that is empty is left out."""
    rows: list[Filled] = []
    for n in range(MOST_STAGES + 2):
        if f"stage_{n}" not in request.form:
            break
        name = request.form[f"stage_{n}"].strip()[:200]
        label = clean_text(request.form.get(f"label_{n}", ""), 1_000) or ""
        order = request.form.get(f"order_{n}", "").strip()[:20]
        is_new = request.form.get(f"new_{n}") == "1"
        if name or label or not is_new:
            rows.append(Filled(name.lower() if is_new else name, order, label, is_new))
    return rows


def wrong_in(rows: list[Filled]) -> dict[str, str]:
    """What is wrong, by the field's name in the form; '' for all of it."""
    errors: dict[str, str] = {}
    names = [row.name for row in rows]
    for n, row in enumerate(rows):
        if not NAME.fullmatch(row.name):
            errors[f"stage_{n}"] = gettext("Small letters a to z, digits and _, at most 64.")
        elif names.index(row.name) != n:
            errors[f"stage_{n}"] = gettext("This stage is there already.")
        if len(row.label) > LONGEST_LABEL:
            errors[f"label_{n}"] = gettext("At most %(n)s characters.", n=LONGEST_LABEL)
        if not re.fullmatch("[0-9]{0,4}", row.order):
            errors[f"order_{n}"] = gettext("A whole number, or nothing.")
    if len(rows) > MOST_STAGES:
        errors[""] = gettext("At most %(n)s stages.", n=MOST_STAGES)
    return errors


def in_order(rows: list[Filled]) -> list[Filled]:
    """By their numbers; one without comes last, before “other” where that is the last one."""
    numbered = sorted((row for row in rows if row.order), key=lambda row: int(row.order))
    rest = [row for row in rows if not row.order]
    if numbered and numbered[-1].name == Stage.OTHER:
        return [*numbered[:-1], *rest, numbered[-1]]
    return [*numbered, *rest]


def moved(chosen: list[OwnStage]) -> list[OwnStage]:
    """The stages after the button that was pressed: a place up or down, or without one of them."""
    names = [one.name for one in chosen]
    for name, step in ((request.form.get("up"), -1), (request.form.get("down"), 1)):
        if name in names and 0 <= (to := names.index(name) + step) < len(chosen):
            at = names.index(name)
            chosen[at], chosen[to] = chosen[to], chosen[at]
    gone = request.form.get("take")
    return [one for one in chosen if one.name != gone]


def reason(error: Invalid | Conflict) -> str:
    """Why the stages could not be saved, in the reader's language."""
    if isinstance(error, Conflict):
        return str(
            gettext("“%(stage)s” cannot be taken away: somebody is in it, or a rule leads to it.", stage=error.field)
        )
    return str(gettext("Lead, MQL, SQL and customer stay, in this order: reports count them."))


# --- the page -------------------------------------------------------------------------------------------------------


def stages_page(site: Site, asked: list[Filled] | None = None, errors: Mapping[str, str] | None = None) -> str:
    """The page, with the form as it was filled in where something is wrong in it."""
    wrong = errors or {}
    with reading(here().engine) as tx:
        known = stages_seen(tx)
        standing = standings(tx, site.site_id)
        kept = lifecycle_of(tx, site.site_id)
    rows = (
        asked
        if asked is not None
        else [Filled(one.name, str(10 * place), one.label or "", False) for place, one in enumerate(known.all, 1)]
    )
    return render_template(
        "stages.html",
        rows=[shown(n, row, standing.get(row.name, Standing()), wrong) for n, row in enumerate(rows)],
        n_new=len(rows),
        has_room=len(rows) < MOST_STAGES,
        error=wrong.get(""),
        may_change=is_owner(),
        lifecycle=kept,
        is_restaging=kept.restaged_id is not None,
        longest_label=LONGEST_LABEL,
    )


def shown(n: int, row: Filled, standing: Standing, wrong: Mapping[str, str]) -> StageRow:
    """A row of the table."""
    is_shipped = row.name in set(Stage)
    return StageRow(
        name=row.name,
        order=row.order,
        label=row.label,
        shipped=shipped_word(row.name) if is_shipped else "",
        n_people=standing.n_people,
        n_companies=standing.n_companies,
        people_href=address(url_for("pages.contacts"), {"stage": row.name}),
        is_kept=standing.keeps(row.name),
        why_kept=why_kept(row.name, standing),
        errors={name: wrong[f"{name}_{n}"] for name in ("stage", "label", "order") if f"{name}_{n}" in wrong},
        is_new=row.is_new,
    )


def shipped_word(name: str) -> str:
    """The product's own word for a shipped stage."""
    return word("shipped_stage_word", name)


def why_kept(name: str, standing: Standing) -> str:
    """Why a stage cannot be taken away; '' where it can."""
    if name in NEEDED:
        return str(gettext("reports count it"))
    if standing.n_people or standing.n_companies:
        return str(gettext("somebody is in it"))
    return str(gettext("a rule leads to it")) if standing.has_rule else ""
