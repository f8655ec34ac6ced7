"""Segments: saved filters over people and the lists that actions fill; counted now, listed, exported, as audiences."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.contacts import ContactRow, cells_of, columns_of, row_of
from api.pages.files import FORMS, answer_file, file_name
from api.pages.frame import Page, address, kept_arguments, site_named
from api.pages.routes import routes
from api.pages.stage_words import stages_seen
from api.trust import Audience, actor, audience, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import Tx, begin, reading
from tracker.errors import Conflict, Invalid, MinamotoError, NotFound
from tracker.ids import new_view_id
from tracker.lifecycle.conditions import All, Condition, Did, Has
from tracker.lifecycle.definition import LONGEST_TEXT, read_condition, written_condition
from tracker.reports.segment_people import MOST_LOOKED_AT, Counted, addresses_in, count_in, everybody_in, page_of
from tracker.reports.sheet import Sheet
from tracker.segments.hashed import HEADERS, Platform, row_for
from tracker.segments.listing import (
    LONGEST_NAME,
    Segment,
    change_segment,
    count_listed,
    find_segment,
    remove_segment,
    save_segment,
    segments_of,
)
from tracker.vocabulary import Audited, Channel, FactKind, Role

PAGE_ROWS = 50
# Of more than these a file has the first.
MOST_IN_FILE = 50_000
MOST_IN_AUDIENCE = 500_000
LONGEST_FILTER = 20_000
ID = re.compile(r"[0-9a-f]{32}")
ASKED = ("stage", "page", "channel", "source", "days", "text")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form says; of a new segment what its fields say. error: why it was refused, under `field`."""

    name: str = ""
    is_list: bool = False
    told: Mapping[str, str] | None = None
    text: str = ""
    field: str = ""
    error: str = ""


@routes.get("/segments")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def segments() -> ResponseReturnValue:
    """A site's segments, and a form for a new one."""
    site = site_seen()
    return render_template("no_site.html") if site is None else list_of(site, Draft())


@routes.post("/segments")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def make_segment() -> ResponseReturnValue:
    """Make a segment: a filter of what the fields or the text say, or an empty list."""
    site, now, form = site_named(), here().now(), request.form
    told = {name: form.get(name, "")[: LONGEST_FILTER if name == "text" else LONGEST_TEXT] for name in ASKED}
    draft = Draft(form.get("name", "")[: LONGEST_NAME * 2], form.get("kind") == "list", told)
    try:
        text = "" if draft.is_list else filter_told(told)
        one = Segment(new_view_id(), site.site_id, draft.name, text, actor(), now)
        with begin(here().engine) as tx:
            save_segment(tx, one)
            noted(tx, site, draft.name, {"after": {"filter": text}})
    except (Invalid, Conflict) as error:
        return list_of(site, Draft(draft.name, draft.is_list, told, "", error.field, reason(error))), 422
    return redirect(url_for("pages.segment", segment_id=one.segment_id, site=site.key))


@routes.get("/segments/<segment_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def segment(segment_id: str) -> ResponseReturnValue:
    """The people of a segment, now."""
    return one_of(site_named(), segment_id, None)


@routes.post("/segments/<segment_id>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def save_segment_of(segment_id: str) -> ResponseReturnValue:
    """Give a segment another name or filter."""
    site, now, form = site_named(), here().now(), request.form
    name, text = form.get("name", "")[: LONGEST_NAME * 2], form.get("text", "")[:LONGEST_FILTER]
    try:
        with begin(here().engine) as tx:
            one = find_segment(tx, site.site_id, segment_id)
            if one.is_filter:
                read_condition(text)
            changed = change_segment(tx, one, name, text if one.is_filter else "", actor(), now)
            before, after = ({"name": each.name, "filter": each.text} for each in (one, changed))
            noted(tx, site, changed.name, audit.difference(before, after))
    except (Invalid, Conflict) as error:
        return one_of(site, segment_id, Draft(name, text=text, field=error.field, error=reason(error))), 422
    flash(gettext("Saved."), "success")
    return redirect(url_for("pages.segment", segment_id=segment_id, site=site.key))


@routes.post("/segments/<segment_id>/remove")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def remove_segment_of(segment_id: str) -> ResponseReturnValue:
    """Delete a segment; its people stay."""
    site = site_named()
    try:
        with begin(here().engine) as tx:
            one = find_segment(tx, site.site_id, segment_id)
            remove_segment(tx, one)
            noted(tx, site, one.name, {"before": {"filter": one.text}})
    except Conflict:
        flash(gettext("An action puts people into this segment. Delete the action first."), "error")
        return redirect(url_for("pages.segment", segment_id=segment_id, site=site.key))
    flash(gettext("“%(name)s” is deleted.", name=one.name), "success")
    return redirect(url_for("pages.segments", site=site.key))


@routes.get("/segments/<segment_id>/people.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def segment_file(segment_id: str, form: str) -> ResponseReturnValue:
    """The people of a segment as a file: csv, xlsx or json; of very many the first."""
    site, now = site_named(), here().now()
    if form not in FORMS:
        raise NotFound("no such file", field="form")
    with reading(here().engine) as tx:
        one = find_segment(tx, site.site_id, segment_id)
        rows = [list(cells_of(each, site)) for each in everybody_in(tx, site, one, now, MOST_IN_FILE)]
    sheet = Sheet(gettext("Contacts"), columns_of(site), rows)
    answer = answer_file(form, ["segment", one.name, local_day(now, site.timezone)], lambda: [sheet])
    exported(site, one, {"form": form, "rows": len(rows)}, now)
    return answer


@routes.get("/segments/<segment_id>/audience.csv")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def segment_audience(segment_id: str) -> ResponseReturnValue:
    """The people of a segment as an advertising platform takes them, hashed; ?for=google or meta."""
    site, now = site_named(), here().now()
    word = request.args.get("for", Platform.GOOGLE.value)
    if word not in set(Platform):
        raise Invalid("takes google or meta", field="for")
    platform = Platform(word)
    with reading(here().engine) as tx:
        one = find_segment(tx, site.site_id, segment_id)
        found = {row for each in addresses_in(tx, site, one, now) if (row := row_for(platform, *each))}
    rows = sorted(found)[:MOST_IN_AUDIENCE]
    text = io.StringIO()
    csv.writer(text).writerows([HEADERS[platform], *rows])
    answer = Response(text.getvalue(), mimetype="text/csv")
    name = file_name(["audience", platform.value, one.name, local_day(now, site.timezone)], "csv")
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    exported(site, one, {"form": f"audience for {platform.value}", "rows": len(rows)}, now)
    return answer


def exported(site: Site, one: Segment, details: Mapping[str, object], now: datetime) -> None:
    """Write an export into the audit log."""
    with begin(here().engine) as tx:
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, f"segment {one.name}", now=now, details=details)


def noted(tx: Tx, site: Site, name: str, details: Mapping[str, object]) -> None:
    """Write a change of a segment into the audit log."""
    audit.note(tx, site.site_id, actor(), Audited.SEGMENT, name, now=here().now(), details=details)


def filter_told(told: Mapping[str, str]) -> str:
    """The filter that the fields of the form say, or its text where that was written; raises Invalid."""
    if told["text"].strip():
        read_condition(told["text"])
        return told["text"].strip()
    days = told["days"].strip()
    if days and not (days.isascii() and days.isdigit() and 1 <= int(days) <= 3_650):
        raise Invalid("is no number of days", field="days")
    within = int(days) if days else None
    page, channel, source = (told[name].strip() for name in ("page", "channel", "source"))
    asked: list[Condition] = []
    if told["stage"]:
        asked.append(Has("stage", is_=(told["stage"],)))
    if channel or source:
        where = (("source", (source,)),) if source else ()
        asked.append(Did(FactKind.TOUCH, (channel or "*",), where, within_days=None if page else within))
    if page:
        asked.append(Did(FactKind.PAGE, (page,), within_days=within))
    if not asked:
        raise Invalid("asks nothing", field="filter")
    text = written_condition(asked[0] if len(asked) == 1 else All(tuple(asked)))
    read_condition(text)
    return text


def reason(error: MinamotoError) -> str:
    """Why something was refused, in the reader's language; of a filter's text where it is wrong."""
    texts = {
        "name": gettext("Write a name of at most %(n)s characters.", n=LONGEST_NAME),
        "days": gettext("Write a number of days between 1 and 3650."),
        "filter": gettext("Choose a stage, a source or a page, or write a condition."),
        "segments": gettext("There are too many segments already. Delete one first."),
    }
    if isinstance(error, Conflict) and error.field == "name":
        return str(gettext("Another segment has this name."))
    if error.field == "text":
        return str(gettext("The condition cannot be read: %(why)s", why=error.message))
    return str(texts.get(error.field, texts["filter"]))


def list_of(site: Site, draft: Draft) -> str:
    """The page of all segments."""
    with reading(here().engine) as tx:
        known = segments_of(tx, site.site_id)
        counts = counts_of(tx, site, known)
        stages = stages_seen(tx).names
    return render_template(
        "segments.html",
        segments=[(one, counts.get(one.segment_id)) for one in known],
        draft=draft,
        told=draft.told or dict.fromkeys(ASKED, ""),
        stages=stages,
        channels=tuple(one.value for one in Channel if one is not Channel.UNATTRIBUTED),
    )


def counts_of(tx: Tx, site: Site, known: list[Segment]) -> dict[str, Counted]:
    """How many are in each segment now: of lists all, of filters as far as a page may take the time to look."""
    sizes = count_listed(tx, site.site_id)
    found = {one.segment_id: Counted(sizes.get(one.segment_id, 0), is_whole=True) for one in known if not one.is_filter}
    left = MOST_LOOKED_AT
    for one in known:
        if one.is_filter and left > 0:
            try:
                found[one.segment_id] = count_in(tx, site, one, here().now(), most=min(left, MOST_LOOKED_AT // 2))
            except Invalid:  # its language has changed since: its page says so
                continue
            left -= found[one.segment_id].n_looked
    return found


def one_of(site: Site, segment_id: str, draft: Draft | None) -> str:
    """The page of one segment."""
    now, cursor = here().now(), request.args.get("cursor", "")
    after = cursor if ID.fullmatch(cursor) else ""
    with reading(here().engine) as tx:
        one = find_segment(tx, site.site_id, segment_id)
        counted, fault = Counted(0, is_whole=True), ""
        rows: list[ContactRow] = []
        next_id = None
        try:
            found = page_of(tx, site, one, now, after, PAGE_ROWS)
            counted = count_in(tx, site, one, now)
            rows, next_id = [row_of(each) for each in found.people], found.next_id
        except Invalid as error:  # its stages or its language have changed since
            fault = reason(error)
    here_path, kept = url_for("pages.segment", segment_id=segment_id), kept_arguments()
    return render_template(
        "segment.html",
        segment=one,
        contacts=rows,
        counted=counted,
        fault=fault,
        page=Page(
            address(here_path, kept) if after else None,
            address(here_path, {**kept, "cursor": next_id}) if next_id else None,
        ),
        downloads={
            form: address(url_for("pages.segment_file", segment_id=segment_id, form=form), {"site": site.key})
            for form in FORMS
        },
        audiences=[
            (
                one_platform.value,
                address(
                    url_for("pages.segment_audience", segment_id=segment_id),
                    {"site": site.key, "for": one_platform.value},
                ),
            )
            for one_platform in Platform
        ],
        draft=draft or Draft(one.name, text=one.text),
        most_in_file=MOST_IN_FILE,
    )
