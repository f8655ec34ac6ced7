"""A definition tried on history, and how figures drift from version to version."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import FORMS, answer_file, files_of
from api.pages.frame import address, site_named
from api.pages.masked import person_word
from api.pages.routes import routes
from api.pages.shown import count, word
from api.pages.stage_words import stages_seen
from api.trust import Audience, actor, audience, sees_people, site_seen
from tracker.access import audit
from tracker.access.sites import Site
from tracker.db.store import Tx, begin, reading
from tracker.errors import NotFound
from tracker.lifecycle.versions import parsed, saved_version, saved_versions
from tracker.reports.sheet import CellKind, CellValue, Sheet, SheetColumn
from tracker.reports.trial import Ask, Drift, Reading, Trial, Tried, drift_of, names_of, try_definition
from tracker.reports.trial_sums import MonthSum
from tracker.vocabulary import Audited, Role, Stage

MOST_IN_FILE = 10_000


@dataclass(frozen=True, slots=True)
class ShownMove:
    """How many would stand elsewhere; None: in no stage."""

    before: str | None
    after: str | None
    n: str


@dataclass(frozen=True, slots=True)
class ShownMover:
    """Who would stand elsewhere. The name is a stranger's, and a short id for who may not see people."""

    name: str
    href: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A figure under A and under B, and by how much they differ; texts."""

    a: str
    b: str
    change: str


@dataclass(frozen=True, slots=True)
class ShownStage:
    """A stage of the funnel under A and B."""

    stage: str
    reached: ShownPair
    entered: ShownPair


@dataclass(frozen=True, slots=True)
class ShownTrial:
    """What a trial found, in the reader's words.

    against   the version of side A; None: no definition, or all by their dates (reading)
    version   what is tried; 0: a text that is not saved
    n_all, every  of how many people every n-th was looked at
    """

    version: int
    against: int | None
    reading: str
    n_people: int
    n_all: int
    every: int
    n_elsewhere: int
    n_otherwise: int
    moves: tuple[ShownMove, ...]
    movers: tuple[ShownMover, ...]
    stages: tuple[ShownStage, ...]
    months: tuple[tuple[str, ShownPair], ...]


@routes.get("/definitions/<int:version>/try")
@audience(Audience.PEOPLE)
def definition_try(version: int) -> ResponseReturnValue:
    """What a saved version would change."""
    site = site_named()
    ask = ask_told()
    with reading(here().engine) as tx:
        trial = tried(tx, site, version, ask)
        shown = trial_shown(tx, site, trial, ask.reading, version)
        others = [one.version for one in saved_versions(tx, site.site_id) if one.version != version][:20]
    return render_template(
        "definition_try.html",
        version=version,
        trial=shown,
        stage=ask.stage,
        stages=stages_seen().names,
        others=others,
        asked=ask,
        downloads=files_of_trial(version) if sees_people() else {},
    )


@routes.get("/definitions/<int:version>/try.<form>")
@audience(Audience.PEOPLE, least=Role.ANALYST)
def definition_try_file(version: int, form: str) -> ResponseReturnValue:
    """Who would stand elsewhere, as a file."""
    site = site_named()
    if form not in FORMS:
        raise NotFound("no such kind of file; take csv, xlsx or json", field="form")
    ask = ask_told(MOST_IN_FILE)
    with reading(here().engine) as tx:
        trial = tried(tx, site, version, ask)
        named = names_of(tx, [one.contact_id for one in trial.result.movers])
    rows: list[Sequence[CellValue]] = []
    for one in trial.result.movers:
        who = named.get(one.contact_id)
        names = (who.name, who.email, who.company_domain) if who else (None, None, None)
        rows.append((one.contact_id, *names, one.before, one.after))
    columns = [
        SheetColumn(label, CellKind.TEXT, key)
        for key, label in (
            ("id", gettext("Contact")),
            ("name", gettext("Name")),
            ("email", gettext("E-mail")),
            ("company", gettext("Company")),
            ("before", gettext("Stage now")),
            ("after", gettext("Stage with it")),
        )
    ]
    about = [(gettext("Looked at"), sample_text(trial))]
    with begin(here().engine) as tx:
        details = {"version": version, "rows": len(rows)}
        audit.note(tx, site.site_id, actor(), Audited.EXPORT, "definition", now=here().now(), details=details)
    parts = ("definition", str(version), "try")
    return answer_file(form, parts, lambda: [Sheet(gettext("People"), columns, rows, about)])


def ask_told(most: int = 0) -> Ask:
    """How the address asks; what makes no sense there is as if it were not given."""
    args = request.args
    against = args.get("against", "")
    told = Reading.AS_DATED if args.get("reading") == Reading.AS_DATED else Reading.ALL_ALONG
    stage = args.get("stage", "")
    return Ask(
        told,
        int(against) if against.isdecimal() and len(against) < 6 else None,
        stage if stage in stages_seen() else Stage.MQL.value,
        args.get("all") == "1" and sees_people(),
        most or Ask().most,
    )


def tried(tx: Tx, site: Site, version: int, ask: Ask) -> Trial:
    """A saved version, tried."""
    one = saved_version(tx, site.site_id, version)
    return try_definition(tx, site, Tried(version, parsed(one.text), one.from_at), ask, here().now())


def files_of_trial(version: int) -> dict[str, str]:
    """The addresses of the trial's people as files."""
    kept = {name: request.args[name] for name in ("reading", "against", "all", "site") if name in request.args}
    return {form: address(url_for("pages.definition_try_file", version=version, form=form), kept) for form in FORMS}


def sample_text(trial: Trial) -> str:
    """Who was looked at, in a sentence."""
    n, all_ = count(trial.result.n_people), count(trial.sample.n_all)
    if trial.sample.every == 1:
        return str(gettext("all %(n)s people", n=n))
    every = trial.sample.every
    return str(gettext("every %(every)sth person by id: %(n)s of %(all)s", every=every, n=n, all=all_))


def trial_shown(tx: Tx, site: Site, trial: Trial, how: Reading, version: int) -> ShownTrial:
    """A trial in the reader's words."""
    found = trial.result
    named = names_of(tx, [one.contact_id for one in found.movers])
    movers = []
    for one in found.movers:
        who = named.get(one.contact_id)
        name = person_word(one.contact_id, *((who.name, who.email) if who else ()))
        href = url_for("pages.contact", contact_id=one.contact_id)
        movers.append(ShownMover(name, href, one.before, one.after))
    return ShownTrial(
        version,
        trial.against,
        how.value,
        found.n_people,
        trial.sample.n_all,
        trial.sample.every,
        found.n_elsewhere,
        found.n_otherwise,
        tuple(ShownMove(one.before, one.after, count(one.n)) for one in found.moves),
        tuple(movers),
        tuple(ShownStage(one.stage, pair(one.reached), pair(one.entered)) for one in found.stages),
        tuple((one.month, pair((one.n[0], one.n[1]))) for one in found.months),
    )


def pair(both: tuple[int, int]) -> ShownPair:
    """A figure under A and B."""
    change = both[1] - both[0]
    return ShownPair(count(both[0]), count(both[1]), f"+{count(change)}" if change > 0 else count(change))


# --- drift ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A column of the drift report: as counted (version None), or under a version. points: of its line"""

    version: int | None
    total: str
    points: str
    series: int


@routes.get("/definitions/drift")
@audience(Audience.PEOPLE)
def definition_drift() -> ResponseReturnValue:
    """First entries into a stage by month, as counted and under each signed version all along."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    drift = drift_asked(site)
    most = max((n for one in drift.months for n in one.n), default=0)
    columns = range(len(drift.versions) + 1)
    lines = [
        ShownLine(
            (None, *drift.versions)[place],
            count(sum(one.n[place] for one in drift.months)),
            line_points(drift.months, place, most),
            place + 1,
        )
        for place in columns
    ]
    return render_template(
        "definition_drift.html",
        lines=lines,
        months=[(one.month, [count(n) for n in one.n]) for one in drift.months],
        most=count(most),
        stage=drift.stage,
        stages=stages_seen().names,
        drift=drift,
        downloads=files_of("pages.definition_drift_file"),
    )


@routes.get("/definitions/drift.<form>")
@audience(Audience.PEOPLE)
def definition_drift_file(form: str) -> ResponseReturnValue:
    """The drift report as a file."""
    if form not in FORMS:
        raise NotFound("no such kind of file; take csv, xlsx or json", field="form")
    drift = drift_asked(site_named())
    columns = [SheetColumn(gettext("Month"), CellKind.TEXT, "month")]
    columns.append(SheetColumn(gettext("As counted"), CellKind.COUNT, "counted"))
    columns += [
        SheetColumn(gettext("Version %(n)s", n=one), CellKind.COUNT, f"version_{one}") for one in drift.versions
    ]
    rows: list[Sequence[CellValue]] = [(one.month, *one.n) for one in drift.months]
    about = [(gettext("Stage"), word("stage_word", drift.stage))]
    return answer_file(
        form, ("drift", drift.stage), lambda: [Sheet(gettext("Drift of definitions"), columns, rows, about)]
    )


def drift_asked(site: Site) -> Drift:
    """The report that the address asks for."""
    stage = request.args.get("stage", "")
    with reading(here().engine) as tx:
        known = stage if stage in stages_seen(tx) else Stage.MQL.value
        return drift_of(tx, site, known, here().now(), whole=request.args.get("all") == "1" and sees_people())


def line_points(months: Sequence[MonthSum], place: int, most: int) -> str:
    """A line for a picture of 600 by 160, months from left to right."""
    step = 600 / max(len(months) - 1, 1)
    return " ".join(f"{n * step:.1f},{156 - 150 * one.n[place] / max(most, 1):.1f}" for n, one in enumerate(months))
