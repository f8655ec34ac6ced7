"""What points tell: which rules give them, what goes with becoming a customer, and points that history suggests."""

from dataclasses import dataclass
from datetime import date

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.files import answer_file, files_of
from api.pages.overviewwords import share
from api.pages.routes import routes
from api.pages.shown import count, period_of
from api.trust import Audience, audience, sees_people, site_seen
from tracker.access.sites import Site
from tracker.clock import local_day
from tracker.db.store import reading
from tracker.errors import NotFound
from tracker.reports.lift import FEWEST, Lift
from tracker.reports.scoring import MOST_PEOPLE, Scoring, Suggestion, scoring_of
from tracker.reports.sheet import CellKind, Sheet, SheetColumn

EVERYBODY = 1_000_000


@dataclass(frozen=True, slots=True)
class ShownLift:
    """A lift in the reader's form; ratio '' where too few did, or did not. tone: 'up', 'down' or ''"""

    did: str
    others: str
    ratio: str
    interval: str
    tone: str


@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    """Points that history suggests; what was done is a stranger's words."""

    kind: str
    text: str
    points: str
    lift: ShownLift
    toml: str
    href: str | None


def asked(site: Site) -> tuple[str, Scoring]:
    """The preset and the figures that this page's address asks for; raises Invalid."""
    now = here().now()
    args = {name: request.args.get(name, "") for name in ("period", "from", "to")}
    if not any(args.values()):
        args["period"] = "last_12_months"
    most = EVERYBODY if request.args.get("all") else MOST_PEOPLE
    with reading(here().engine) as tx:
        word, from_day, to_day = period_of(tx, args, site.site_id, local_day(now, site.timezone))
        return word, scoring_of(tx, site, from_day, to_day, now, most)


@routes.get("/definitions/scores")
@audience(Audience.PEOPLE)
def scores() -> ResponseReturnValue:
    """The page."""
    site = site_seen()
    if site is None:
        return render_template("no_site.html")
    word, found = asked(site)
    return render_template(
        "scores.html",
        found=found,
        query={
            "period": word,
            "from_day": date.fromisoformat(found.from_day),
            "to_day": date.fromisoformat(found.to_day),
        },
        rules=[
            (
                one.name,
                f"{one.points:+,}",
                count(one.n_people),
                "" if one.share is None else share(one.share),
                shown(one.lift),
            )
            for one in found.rules
        ],
        stage_rules=[(name, stage, shown(lift)) for name, stage, lift in found.stage_rules],
        suggestions=[suggestion(one) for one in found.suggestions],
        fewest=FEWEST,
        downloads=files_of("pages.scores_file"),
    )


def shown(lift: Lift) -> ShownLift:
    """A lift in the reader's form."""
    did, others = (f"{count(won)} / {count(n)}" for won, n in ((lift.won_did, lift.n_did), (lift.won_not, lift.n_not)))
    if lift.ratio is None or lift.low is None or lift.high is None:
        return ShownLift(did, others, "", "", "")
    tone = "up" if lift.is_above else "down" if lift.is_below else ""
    return ShownLift(did, others, f"×{lift.ratio:.2f}", f"{lift.low:.2f} – {lift.high:.2f}", tone)


def suggestion(one: Suggestion) -> ShownSuggestion:
    """A suggestion in the reader's form."""
    href = url_for("pages.definition_new", tab="text", add=one.toml) if sees_people() else None
    text = f"{one.deed.text} = {one.deed.value}" if one.deed.value else one.deed.text
    return ShownSuggestion(one.deed.kind, text, f"{one.points:+d}", shown(one.lift), one.toml, href)


@routes.get("/definitions/scores.<form>")
@audience(Audience.PEOPLE)
def scores_file(form: str) -> ResponseReturnValue:
    """The same figures as a file."""
    site = site_seen()
    if site is None:
        raise NotFound("no site")
    _, found = asked(site)
    return answer_file(form, ("scores", found.from_day, found.to_day), lambda: [sheet_of(found)])


def sheet_of(found: Scoring) -> Sheet:
    """All three tables as one."""
    columns = [
        SheetColumn(gettext("What"), key="what"),
        SheetColumn(gettext("Name"), key="name"),
        SheetColumn(gettext("Points"), CellKind.COUNT, "points"),
        SheetColumn(gettext("People who did"), CellKind.COUNT, "did"),
        SheetColumn(gettext("Customers of them"), CellKind.COUNT, "won_did"),
        SheetColumn(gettext("Others"), CellKind.COUNT, "others"),
        SheetColumn(gettext("Customers of the others"), CellKind.COUNT, "won_others"),
        SheetColumn(gettext("Lift"), key="lift"),
        SheetColumn(gettext("From"), key="low"),
        SheetColumn(gettext("To"), key="high"),
    ]
    lines: list[tuple[str, str, int | None, Lift]] = [
        *(("points", one.name, one.points, one.lift) for one in found.rules),
        *(("rule", name, None, lift) for name, _, lift in found.stage_rules),
        *(
            ("suggestion", f"{one.deed.kind} {one.deed.text} {one.deed.value}".strip(), one.points, one.lift)
            for one in found.suggestions
        ),
    ]
    rows = [
        [
            what,
            name,
            points,
            one.n_did,
            one.won_did,
            one.n_not,
            one.won_not,
            *("" if number is None else f"{number:.4f}" for number in (one.ratio, one.low, one.high)),
        ]
        for what, name, points, one in lines
    ]
    about = [(gettext("Period"), f"{found.from_day} – {found.to_day}")]
    return Sheet(gettext("What points tell"), columns, rows, about)
