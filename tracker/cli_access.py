"""The commands for sites, users and tokens. Each change has its line in the audit log, by 'command line'."""

import secrets
import sys
from datetime import datetime

import click

from tracker.access import roles, sites, tokens, users
from tracker.access.audit import COMMAND_LINE, note
from tracker.access.tracking import ADAPTERS, CLICKS, CONSENTS, FIELDS, SHIPPED, changed, written
from tracker.db.store import Tx, reading
from tracker.settling import settle_tracking
from tracker.shell import example, store, writing
from tracker.vocabulary import Audited, Role

NO_ROLE = "none"


@click.group()
def site() -> None:
    """Tracked sites."""


@site.command("add")
@click.argument("name")
@click.option("--host", "hosts", multiple=True, required=True, help="Host name of the site; may be repeated.")
@click.option("--timezone", default="UTC", show_default=True, help="Its days are counted in this zone.")
@click.option("--currency", help="Report currency; else that of the first deal or cost.")
@click.option("--consent", default=SHIPPED.consent, show_default=True, help=f"One of {', '.join(CONSENTS)}.")
@example("minamoto site add Acme --host www.acme.example --timezone Asia/Tokyo --currency JPY")
def site_add(name: str, hosts: tuple[str, ...], timezone: str, currency: str | None, consent: str) -> None:
    """Add a site and print its key and the tag for its pages."""
    tracking = changed(SHIPPED, {"consent": consent})
    with writing() as (tx, now):
        new = sites.add_site(tx, name, list(hosts), now=now, timezone=timezone, currency=currency, tracking=tracking)
        told = {"name": new.name, "hosts": list(new.hosts), "consent": consent}
        note(tx, new.site_id, COMMAND_LINE, Audited.SITE, new.key, now=now, details=told)
    click.echo(f"key: {new.key}")
    click.echo(f'tag: <script async src="https://YOUR-MINAMOTO-HOST/m.js?site={new.key}"></script>')
    click.echo(
        f"consent: {consent}" + (": no hit before the page says minamoto('consent', true)" * (consent == "opt-in"))
    )


@site.command("set")
@click.argument("key")
@click.option("--consent", help=f"One of {', '.join(CONSENTS)}.")
@click.option("--gpc/--no-gpc", default=None, help="Honour Global Privacy Control.")
@click.option("--dnt/--no-dnt", default=None, help="Honour Do Not Track.")
@click.option("--fields", help=f"What leaves beside the e-mail address: some of {', '.join(FIELDS)}, or ''.")
@click.option("--hash/--no-hash", default=None, help="Count a change of what stands behind # as a page view.")
@click.option("--clicks", help=f"Which clicks are events: some of {', '.join(CLICKS)}, or ''.")
@click.option("--parts", help=f"Adapters that the snippet carries: some of {', '.join(ADAPTERS)}, or ''.")
@example("minamoto site set KEY --consent opt-in --fields phone,name --parts hubspot,calendly")
def site_set(key: str, **told: str | bool | None) -> None:
    """Change what a site's snippet does, and print all its settings."""
    chosen = {name: value for name, value in told.items() if value is not None}
    with writing() as (tx, now):
        target = settle_tracking(tx, key, chosen, actor=COMMAND_LINE, now=now)
    for name, value in written(target.tracking).items():
        words = ",".join(value) if isinstance(value, list) else {True: "yes", False: "no"}.get(value, value)
        click.echo(f"{name}: {words}")


@site.command("list")
@example("minamoto site list")
def site_list() -> None:
    """List the sites."""
    with reading(store()) as tx:
        for one in sites.all_sites(tx):
            currency = one.currency or "-"
            click.echo(f"{one.key}\t{one.name}\t{','.join(one.hosts)}\t{one.timezone}\t{currency}")


@click.group()
def user() -> None:
    """People who log in, and what they may do."""


@user.command("add")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.OWNER.value, show_default=True)
@click.option("--site", "key", help="Key of the only site on which they have the role; else every site.")
@click.option("--language", type=click.Choice(users.LANGUAGES), default="en", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@example("minamoto user add hana@acme.example --role analyst --site KEY --language ja")
def user_add(email: str, role: str, key: str | None, language: str, password_stdin: bool) -> None:
    """Add a user. Without --password-stdin a password is made and printed once."""
    password = password_told(password_stdin)
    with writing() as (tx, now):
        everywhere = None if key else Role(role)
        new = users.add_user(tx, email, password, now=now, role=everywhere, language=language)
        site_id = sites.find_site(tx, key).site_id if key else None
        if site_id is not None:
            roles.set_role(tx, new.user_id, site_id, Role(role), now)
        note(tx, site_id, COMMAND_LINE, Audited.USER, new.email, now=now, details={"role": role})
    click.echo(f"user: {new.email}")
    if not password_stdin:
        click.echo(f"password: {password}")


@user.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice([*(role.value for role in Role), NO_ROLE]))
@click.option("--site", "key", help="Key of the only site for which this holds; else every site.")
@example(
    "minamoto user role hana@acme.example analyst --site KEY",
    "minamoto user role hana@acme.example none",
)
def user_role(email: str, role: str, key: str | None) -> None:
    """Set what a user may do, on one site or on all; `none` takes it away. A site keeps an owner."""
    wanted = None if role == NO_ROLE else Role(role)
    with writing() as (tx, now):
        who = users.known_user(tx, email)
        target = sites.find_site(tx, key) if key else None
        before = roles.roles_of(tx, who, [target]).get(target.site_id) if target else who.role
        if target:
            roles.set_role(tx, who.user_id, target.site_id, wanted, now)
        else:
            roles.set_role_everywhere(tx, who.user_id, wanted)
        details = {"before": {"role": before}, "after": {"role": wanted}}
        site_id = target.site_id if target else None
        note(tx, site_id, COMMAND_LINE, Audited.MEMBER, who.email, now=now, details=details)
    click.echo(f"{who.email}: {role} on {key or 'every site'}")


@user.command("list")
@example("minamoto user list")
def user_list() -> None:
    """List the users: address, role on every site, sites where it is another; separated by tabs."""
    with reading(store()) as tx:
        known = sites.all_sites(tx)
        for one in users.all_users(tx):
            found = roles.roles_of(tx, one, known)
            own = [f"{it.key}={found[it.site_id]}" for it in known if found.get(it.site_id, one.role) != one.role]
            click.echo("\t".join([one.email, one.role or "-", ",".join(own) or "-"]))


@user.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@example("minamoto user password hana@acme.example")
def user_password(email: str, password_stdin: bool) -> None:
    """Give a user a new password, made and printed once; every log-in of theirs ends."""
    password = password_told(password_stdin)
    with writing() as (tx, now):
        who = users.set_password(tx, users.known_user(tx, email).user_id, password)
        note(tx, None, COMMAND_LINE, Audited.PASSWORD, who.email, now=now)
    click.echo(f"user: {who.email}")
    if not password_stdin:
        click.echo(f"password: {password}")


def password_told(on_stdin: bool) -> str:
    """The password that is given on standard input, or a new one."""
    return sys.stdin.readline().rstrip("\n") if on_stdin else secrets.token_urlsafe(12)


@click.group()
def token() -> None:
    """API tokens of programs."""


@token.command("add")
@click.argument("name")
@click.option("--site", "key", help="Key of the only site it may read and write; else every site.")
@example("minamoto token add crm --site KEY")
def token_add(name: str, key: str | None) -> None:
    """Make a token and print it, this once."""
    with writing() as (tx, now):
        site_id = sites.find_site(tx, key).site_id if key else None
        secret = tokens.add_token(tx, name, site_id=site_id, now=now)
        token_noted(tx, site_id, name, "made", now)
    click.echo(f"token: {secret}")


@token.command("revoke")
@click.argument("name")
@example("minamoto token revoke crm")
def token_revoke(name: str) -> None:
    """Revoke every token of that name; they stop working at once."""
    with writing() as (tx, now):
        gone = tokens.sites_of_tokens(tx, name)
        n = tokens.revoke_token(tx, name, now=now)
        for site_id in gone:
            token_noted(tx, site_id, name, "revoked", now)
    click.echo(f"revoked: {n}")


def token_noted(tx: Tx, site_id: int | None, name: str, what: str, now: datetime) -> None:
    """Write into the audit log what became of a token."""
    note(tx, site_id, COMMAND_LINE, Audited.TOKEN, name.strip(), now=now, details={"token": what})
