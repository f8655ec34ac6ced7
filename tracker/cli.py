"""The front door: the command `minamoto`. Each command's help ends with an example that works."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tracker import __version__, clock
from tracker.access import sites
from tracker.access.audit import COMMAND_LINE
from tracker.cli_access import site, token, user
from tracker.config import settings
from tracker.db.store import begin, connect, reading
from tracker.db.upgrade import head, upgrade
from tracker.errors import Invalid
from tracker.secret import secret_key
from tracker.shell import example, store, writing
from tracker.vocabulary import AdPlatform, Basis, Dimension, Model, PathScope


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="minamoto")
def main() -> None:
    """Minamoto: from a visit to closed revenue by source, on your own machine."""
    # Before NumPy is imported: a report's matrices are small, threads for them only take turns with the requests.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes (PostgreSQL).")
@click.option("--work/--no-work", "with_work", default=True, show_default=True, help="Also do the background work.")
@example("minamoto serve --host 0.0.0.0 --port 8000")
def serve(host: str, port: int, workers: int, with_work: bool) -> None:
    """Serve the snippet, the API and the pages, and do the background work in a process beside."""
    from api.serving import serve as run

    store()
    secret_key(settings())  # said here in one line, not by each process that would not start
    click.echo(f"serving:  http://{host}:{port} (Ctrl-C stops)")
    run(settings(), host, port, workers=workers, with_work=with_work)


@main.command()
@click.option("--once", is_flag=True, help="Do what waits now and end.")
@example("minamoto work", "minamoto work --once")
def work(once: bool) -> None:
    """Do the background work alone, beside `minamoto serve --no-work`."""
    from api.mail.sending import SEND_REPORTS, send_reports
    from api.sender import SEND_ACTIONS, send_actions
    from tracker.jobs import drain, prune_all, work_until_told

    engine = store()
    if once:
        click.echo(f"hits folded: {drain(engine, settings())}")
        prune_all(engine, settings())
        send_reports(engine, settings())
        send_actions(engine, settings())
        return
    work_until_told(settings(), more=(SEND_REPORTS, SEND_ACTIONS))


@main.command()
@example("minamoto mail")
def mail() -> None:
    """Send the reports by mail that are due now; the work loop does so every minute."""
    from api.mail.sending import send_due

    if not settings().smtp_url:
        raise click.ClickException("MINAMOTO_SMTP_URL is not set: there is no mail server")
    sent = send_due(store(), settings(), clock.now())
    click.echo(f"sent: {sent.n_sent}")
    click.echo(f"failed: {sent.n_failed}")


@main.group()
def db() -> None:
    """The database."""


@db.command("upgrade")
@example("minamoto db upgrade")
def db_upgrade() -> None:
    """Make the tables, or bring them to this release. Safe to run again."""
    engine = connect(settings().database_url, synchronous=settings().sqlite_synchronous)
    upgrade(engine)
    click.echo(f"database: {engine.url.render_as_string(hide_password=True)}")
    click.echo(f"revision: {head()}")


for group in (site, user, token):
    main.add_command(group)


@main.group()
def number() -> None:
    """Phone numbers that lead to a site's own."""


@number.command("add")
@click.argument("number")
@click.option("--site", "key", required=True, help="Key of the site.")
@click.option("--shown", multiple=True, help="Number on the site that it stands in for; may be repeated.")
@click.option("--source", default="", help="Instead: where it is printed. It is shown to no visitor.")
@click.option("--medium", default="", help="By which means, with a source.")
@click.option("--campaign", default="", help="For which campaign, with a source.")
@example(
    "minamoto number add 03-5555-6666 --site KEY --shown 03-1111-2222",
    "minamoto number add 03-5555-7777 --site KEY --source brochure --medium print --campaign fair-2026",
)
def number_add(number: str, key: str, shown: tuple[str, ...], **names: str) -> None:
    """Add a number, to be shown to visitors in the place of another, or with a source of its own."""
    from tracker.settling import settle_number

    with writing() as (tx, now):
        own = sites.find_site(tx, key)
        new = settle_number(tx, own, number, actor=COMMAND_LINE, now=now, shown=shown, **names)
    click.echo(f"number: {new.number}")


@number.command("list")
@click.option("--site", "key", required=True, help="Key of the site.")
@example("minamoto number list --site KEY")
def number_list(key: str) -> None:
    """List a site's numbers: what each stands in for, or its source, medium and campaign."""
    from tracker.calls.numbers import list_numbers

    with reading(store()) as tx:
        for one in list_numbers(tx, sites.find_site(tx, key).site_id):
            told = [one.source, one.medium, one.campaign] if one.source else [",".join(one.shown)]
            click.echo("\t".join([one.number, *(word or "-" for word in told)]))


@number.command("remove")
@click.argument("number")
@click.option("--site", "key", required=True, help="Key of the site.")
@example("minamoto number remove 03-5555-6666 --site KEY")
def number_remove(number: str, key: str) -> None:
    """Show a number to nobody from now on; calls of those who were shown it are still theirs."""
    from tracker.settling import take_number

    with writing() as (tx, now):
        own = sites.find_site(tx, key)
        gone = take_number(tx, own, number, actor=COMMAND_LINE, now=now)
    click.echo(f"removed: {gone.number}")


@main.group("import")
def import_() -> None:
    """History from elsewhere."""


@import_.command("log")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", "key", required=True, help="Key of the site whose log it is.")
@click.option("--format", "form", type=click.Choice(["combined"]), default="combined", show_default=True)
@example("minamoto import log access.log.gz --site KEY")
def import_log(file: Path, key: str, form: str) -> None:
    """Read a web server's access log, plain or gzip, through the same pipeline. Safe to run twice."""
    from tracker.logimport import import_log as run

    engine = store()
    with reading(engine) as tx:
        target = sites.find_site(tx, key)
    run(engine, settings(), target, file, form, clock.now(), Console(stderr=True), click.echo)


@import_.command("costs")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", "key", required=True, help="Key of the site whose costs these are.")
@click.option("--platform", type=click.Choice([one.value for one in AdPlatform]), help="Whose export it is.")
@click.option("--source", help="Source of rows that name none; else the platform's.")
@click.option("--medium", help="Medium of rows that name none.")
@click.option("--currency", help="Currency of rows that name none; else the site's.")
@click.option("--dates", type=click.Choice(["dmy", "mdy"]), help="What comes first in 01/04/2026; else as it tells.")
@click.option("--numbers", type=click.Choice(["point", "comma"]), help="What stands before decimals; else as it tells.")
@example("minamoto import costs google-april.csv --site KEY")
def import_costs(file: Path, key: str, **said: str | None) -> None:
    """Take in an advertising platform's export: all of its rows, or none. The same day and campaign is replaced."""
    from tracker.costfiles import import_file

    with writing() as (tx, now):
        for line in import_file(tx, sites.find_site(tx, key), file, said, now):
            click.echo(line)


@import_.command("mail")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", "key", required=True, help="Key of the site whose mails these are.")
@example("minamoto import mail welcome.csv --site KEY")
def import_mail(file: Path, key: str) -> None:
    """Take in what became of mails: a CSV with the columns kind, programme, email, occurred_at. Safe to run twice."""
    from tracker.reactions import import_mail as run

    with writing() as (tx, now):
        for line in run(tx, sites.find_site(tx, key), file, now):
            click.echo(line)


@import_.command("nps")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", "key", required=True, help="Key of the site whose answers these are.")
@example("minamoto import nps answers.csv --site KEY")
def import_nps(file: Path, key: str) -> None:
    """Take in answers to a survey: a CSV with the columns score, answered_at. Safe to run twice."""
    from tracker.reactions import import_answers as run

    with writing() as (tx, now):
        for line in run(tx, sites.find_site(tx, key), file, now):
            click.echo(line)


@import_.command("list")
@click.option("--site", "key", required=True, help="Key of the site.")
@example("minamoto import list --site KEY")
def import_list(key: str) -> None:
    """The last fifty imports of costs, newest first: id, instant, how many of their costs stand, days, sums, file."""
    from tracker.costfiles import listed

    with reading(store()) as tx:
        for line in listed(tx, sites.find_site(tx, key)):
            click.echo(line)


@import_.command("undo")
@click.argument("import_id", metavar="IMPORT")
@click.option("--site", "key", required=True, help="Key of the site.")
@example("minamoto import undo 5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f --site KEY")
def import_undo(import_id: str, key: str) -> None:
    """Take an import of costs back: what it had replaced stands again."""
    from tracker.costfiles import taken_back

    with writing() as (tx, now):
        done = taken_back(tx, sites.find_site(tx, key).site_id, import_id, COMMAND_LINE, now)
    click.echo(f"taken back: {done.n_stood}")
    click.echo(f"stand again: {done.n_back}")


@main.group()
def report() -> None:
    """Reports."""


@report.command("source")
@click.option("--site", "key", required=True, help="Key of the site.")
@click.option("--from", "from_day", required=True, help="First day, YYYY-MM-DD, in the site's zone.")
@click.option("--to", "to_day", required=True, help="Last day.")
@click.option("--by", default="channel", show_default=True, help=f"One or two of {', '.join(Dimension)}.")
@click.option("--model", default=Model.LAST_NON_DIRECT.value, show_default=True, help=f"One of {', '.join(Model)}.")
@click.option("--basis", default=Basis.ACTIVITY.value, show_default=True, help=f"One of {', '.join(Basis)}.")
@click.option("--currency", help="Report currency; else the site's.")
@click.option("--direct", help="last_resort (default) or counts: whether direct visits earn credit beside others.")
@click.option("--lookback-days", help="Only touches at most this many days before the conversion.")
@click.option("--scope", help=f"Whose touches count for a deal, one of {', '.join(PathScope)}; else as settled.")
@click.option("--policy", help="As of this version of the site's attribution policy; else the one in force.")
@click.option("--only", multiple=True, metavar="NAME=VALUE", help="Only this value of a dimension; repeat for more.")
@click.option("--not", "leave_out", multiple=True, metavar="NAME=VALUE", help="All but this value; repeat for more.")
@click.option("--compare", help="previous or year: the period before beside it.")
@click.option("--columns", help="Metrics with commas between, or all; else the usual ones in a table, all in a file.")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Keep the whole for `minamoto diff`.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@example(
    "minamoto report source --site KEY --from 2026-04-01 --to 2026-04-30 --by channel,campaign --format json",
    "minamoto report source --site KEY --from 2026-04-01 --to 2026-04-30 --only channel=email --compare previous",
)
def report_source(
    form: str, key: str, record: Path | None, only: tuple[str, ...], leave_out: tuple[str, ...], **asked: str | None
) -> None:
    """Visits, leads, deals, revenue and cost by source. JSON: {"rows": [...], "totals": {...}, "meta": {...}}."""
    from tracker.reports import diff as runs
    from tracker.reports.asking import ask
    from tracker.reports.catalogue import USUAL
    from tracker.reports.source import source_report

    names = {"from_day": "from", "to_day": "to"}
    args: dict[str, str | list[str]] = {}
    args |= {names.get(name, name): value for name, value in asked.items() if value is not None}
    args |= filters_told("only", only) | filters_told("not", leave_out)
    if form == "table":
        args.setdefault("columns", ",".join(USUAL))
    with reading(store()) as tx:
        query = ask(tx, args, sites.find_site(tx, key))
        table = source_report(tx, query, clock.now())
        if record is not None:
            whole = replace(query, where=(), against=None)
            record.write_bytes(runs.written(runs.record(tx, key, whole, clock.now())))
    if form == "json":
        click.echo(json.dumps(table.to_json(), ensure_ascii=False, indent=2))
    elif form == "csv":
        click.echo(table.to_csv(), nl=False)
    else:
        click.echo(table.to_text(), nl=False)


def filters_told(word: str, told: tuple[str, ...]) -> dict[str, str | list[str]]:
    """The filters of --only and --not as the report's parameters; raises Invalid for what has no name."""
    found: dict[str, str | list[str]] = {}
    for text in told:
        name, _, value = text.partition("=")
        if not value:
            raise Invalid(f"{text[:40]!r} is no filter; write channel=email", field=word)
        values = found.setdefault(f"{word}_{name.strip()}", [])
        assert isinstance(values, list)
        values.append(value)
    return found


@report.command("opportunities")
@click.option("--site", "key", required=True, help="Key of the site.")
@click.option("--as-of", help="The day at whose end deals are looked at, YYYY-MM-DD, in the site's zone; else today.")
@click.option("--from", "from_day", help="First day of what moved, was won and lost; else 30 days up to that day.")
@click.option("--to", "to_day", help="Its last day.")
@click.option("--pipeline", help="The pipeline as deals name it, or (not set); else that with the most deals.")
@click.option("--by", default="channel", show_default=True, help=f"One of {', '.join(Dimension)}.")
@click.option("--model", default=Model.LAST_NON_DIRECT.value, show_default=True, help="As of `report source`.")
@click.option("--currency", help="Of the amounts; else the site's.")
@click.option("--direct", help="last_resort or counts; else as settled.")
@click.option("--lookback-days", help="Only touches at most this many days before the deal was created.")
@click.option("--scope", help="Whose touches count for a deal; else as settled.")
@click.option("--policy", help="As of this version of the site's attribution policy; else the one in force.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@example("minamoto report opportunities --site KEY --as-of 2026-04-30 --by campaign --format json")
def report_opportunities(form: str, key: str, **asked: str | None) -> None:
    """Open deals by stage and source as of a day, what moved, was won and lost. JSON: {"stages": [...], ...}."""
    from tracker.reports.opportunity_facts import ask_opportunities, opportunity_report
    from tracker.reports.opportunity_shown import cells_sheet, to_json, to_text
    from tracker.reports.sheet import to_csv

    names = {"from_day": "from", "to_day": "to"}
    args = {names.get(name, name): value for name, value in asked.items() if value is not None}
    with reading(store()) as tx:
        own, now = sites.find_site(tx, key), clock.now()
        question = ask_opportunities(tx, args, own, clock.local_day(now, own.timezone))
        found = opportunity_report(tx, question, now)
    if form == "json":
        click.echo(json.dumps(to_json(found), ensure_ascii=False, indent=2))
    elif form == "csv":
        click.echo(to_csv(cells_sheet(found, keyed=True)), nl=False)
    else:
        click.echo(to_text(found), nl=False)


@report.command("funnel")
@click.option("--site", "key", required=True, help="Key of the site.")
@click.option("--from", "from_day", help="First day, YYYY-MM-DD, in the site's zone; else 30 days up to the last.")
@click.option("--to", "to_day", help="Last day; else today.")
@click.option("--of", "scope", type=click.Choice(["contact", "company"]), default="contact", show_default=True)
@click.option("--from-stage", help="The stage that is started from; else lead.")
@click.option("--to-stage", help="A later stage; else customer.")
@click.option("--by", default="channel", show_default=True, help=f"One of {', '.join(Dimension)}.")
@click.option("--touch", type=click.Choice(["first", "last", "lead"]), default="first", show_default=True)
@click.option("--policy", help="As of this version of the site's attribution policy; else the one in force.")
@click.option("--only", multiple=True, metavar="NAME=VALUE", help="Only this value of a dimension; repeat for more.")
@click.option("--not", "leave_out", multiple=True, metavar="NAME=VALUE", help="All but this value; repeat for more.")
@click.option("--compare", help="previous or year: the period before beside it, in files.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@example("minamoto report funnel --site KEY --from 2026-04-01 --to 2026-04-30 --by campaign --format json")
def report_funnel(form: str, key: str, only: tuple[str, ...], leave_out: tuple[str, ...], **asked: str | None) -> None:
    """Who entered and reached each stage, who came further, how fast. JSON: {"stages": [...], "pairs": [...], ...}."""
    from tracker.reports.funnel_facts import ask_funnel, funnel_report
    from tracker.reports.funnel_shown import sources_sheet, to_json, to_text
    from tracker.reports.sheet import to_csv

    names = {"from_day": "from", "to_day": "to"}
    args: dict[str, str | list[str]] = {}
    args |= {names.get(name, name): value for name, value in asked.items() if value is not None}
    args |= filters_told("only", only) | filters_told("not", leave_out)
    with reading(store()) as tx:
        own, now = sites.find_site(tx, key), clock.now()
        found = funnel_report(tx, ask_funnel(tx, args, own, clock.local_day(now, own.timezone)), now)
    if form == "json":
        click.echo(json.dumps(to_json(found), ensure_ascii=False, indent=2))
    elif form == "csv":
        click.echo(to_csv(sources_sheet(found, keyed=True), found.asked.query.timezone), nl=False)
    else:
        click.echo(to_text(found), nl=False)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", "key", help="Without files: key of the site whose history is credited under two policies.")
@click.option("--policy", "versions", multiple=True, help="Without files: a version of the policy; twice.")
@click.option("--from", "from_day", help="Without files: first day.")
@click.option("--to", "to_day", help="Without files: last day.")
@click.option("--model", default=Model.LAST_NON_DIRECT.value, show_default=True, help=f"One of {', '.join(Model)}.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@example(
    "minamoto diff april-1.run april-2.run",
    "minamoto diff --site KEY --policy 1 --policy 2 --from 2026-04-01 --to 2026-04-30",
)
def diff(files: tuple[Path, ...], key: str | None, versions: tuple[str, ...], form: str, **asked: str | None) -> None:
    """What is credited otherwise in the second of two runs (`report source --record`), or policies, and why."""
    from tracker.reports import diff as runs
    from tracker.reports.asking import ask

    if len(files) == 2:
        found = [runs.read(path.read_bytes(), path.name) for path in files]
    elif not files and key and len(versions) == 2:
        args = {name.removesuffix("_day"): value for name, value in asked.items() if value}
        with reading(store()) as tx:
            site = sites.find_site(tx, key)
            queries = [ask(tx, {**args, "policy": version}, site) for version in versions]
            found = [runs.record(tx, key, query, clock.now()) for query in queries]
    else:
        raise click.UsageError("give two files, or --site and --policy twice")
    before, after = found
    differences = runs.differences(before, after)
    if form == "json":
        click.echo(json.dumps(runs.to_json(before, after, differences), ensure_ascii=False, indent=2))
    else:
        click.echo(runs.to_text(before, after, differences), nl=False)


@main.group()
def policy() -> None:
    """A site's attribution policy: what it settled about credit, version after version."""


@policy.command("show")
@click.option("--site", "key", required=True, help="Key of the site.")
@click.option("--policy", "version", help="A version; else the one in force.")
@example("minamoto policy show --site KEY > policy.json")
def policy_show(key: str, version: str | None) -> None:
    """Print a policy as JSON, as `policy set` takes it."""
    from tracker.attribution import policies
    from tracker.attribution import policy as terms
    from tracker.reports.asking import version_of

    with reading(store()) as tx:
        _, found = policies.policy_in_force(tx, sites.find_site(tx, key).site_id, version_of(version or ""))
    click.echo(json.dumps(terms.written(found), ensure_ascii=False, indent=2))


@policy.command("list")
@click.option("--site", "key", required=True, help="Key of the site.")
@example("minamoto policy list --site KEY")
def policy_list(key: str) -> None:
    """Print every saved version: number, instant, who, what changed; separated by tabs, the newest first."""
    from tracker.attribution.policies import versions_of

    with reading(store()) as tx:
        for one in versions_of(tx, sites.find_site(tx, key).site_id):
            words = (str(one.version), clock.format_instant(one.saved_at), one.saved_by, one.note)
            click.echo("\t".join(words))


@policy.command("set")
@click.argument("file", type=click.File("rb"))
@click.option("--site", "key", required=True, help="Key of the site.")
@click.option("--note", default="", help="What changed, in a sentence.")
@example("minamoto policy set policy.json --site KEY --note 'Brand search apart'")
def policy_set(file: Any, key: str, note: str) -> None:
    """Save what a file of JSON settles as a new version; what it does not name stays as it is."""
    from tracker.attribution.policies import policy_in_force
    from tracker.attribution.settled import changed as settled
    from tracker.settling import settle_policy

    try:
        told = json.load(file)
    except ValueError as error:
        raise click.ClickException(f"the file is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise click.ClickException("the file holds no JSON object")
    with writing() as (tx, now):
        site_id = sites.find_site(tx, key).site_id
        wanted = settled(policy_in_force(tx, site_id)[1], told)
        version = settle_policy(tx, site_id, wanted, note=note, by=COMMAND_LINE, actor=COMMAND_LINE, now=now)
    click.echo(f"policy in force: {version}")


@main.command()
@click.option("--site", "key", help="Key of the site; else every site.")
@example("minamoto fit --site KEY")
def fit(key: str | None) -> None:
    """Let the data-driven models learn from a site's paths. What they learn stays in force until the next time."""
    from tracker.attribution.fits import refit

    with writing() as (tx, now):
        for site in [sites.find_site(tx, key)] if key else sites.all_sites(tx):
            made = refit(tx, site.site_id, site.timezone, now)
            click.echo(f"{site.key}: {made.headline}")
            for line in made.lines:
                click.echo(f"  {line}")


@main.command()
@example("minamoto rebuild")
def rebuild() -> None:
    """Derive visits, people, deals and credit anew from the journal and the CRM's changes, under today's rules."""
    from tracker.rebuild import rebuild as run
    from tracker.visits.park import parked

    engine = store()
    with bar("hits folded") as moved, begin(engine) as tx:
        n = run(tx, settings().fold_batch, moved)
        held = parked(tx)
    click.echo(f"hits folded: {n}")
    for error, n_held in held.by_error:
        click.echo(f"hits parked, for they cannot be folded: {n_held} ({error})")


@contextmanager
def bar(what: str) -> Iterator[Callable[[int], None]]:
    """A progress line on the terminal."""
    columns = (SpinnerColumn(), TextColumn(f"{what}: {{task.completed:.0f}}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)


@main.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--folder",
    default="var",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where its database is.",
)
@click.option("--seed-only", is_flag=True, help="Make the demo's history and end.")
@example("minamoto demo")
def demo(port: int, folder: Path, seed_only: bool) -> None:
    """A demo company with its history, on http://127.0.0.1:8000. Running it again is safe; Ctrl-C stops all."""
    from tracker.demo.prepare import prepare

    with bar("hits folded") as moved:
        own, links = prepare(folder, port, clock.now(), moved)
    for label, link in links:
        click.echo(f"{label:14} {link}")
    if not seed_only:
        from api.serving import serve as run

        run(own, "127.0.0.1", port, workers=1, with_work=True)


@main.command()
@example("minamoto check")
def check() -> None:
    """Check the installation: settings, database, tables, waiting hits. Exit status 1 if anything is wrong."""
    from tracker.check import findings

    found = findings(settings())
    for finding in found:
        click.echo(finding.line)
    if any(finding.is_error for finding in found):
        sys.exit(1)
