"""Installing the tag: the line to copy, a check of the site, and what the snippet does there."""

from typing import Any

from flask import flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from api.context import here
from api.pages.frame import script_of, site_named
from api.pages.routes import routes
from api.pages.session import limiter
from api.trust import Audience, actor, audience, is_owner, site_seen
from tracker.access.sites import Site
from tracker.access.tracking import CLICKS, CONSENTS, FIELDS
from tracker.checkhit import PARAMETER, made_ms, new_nonce
from tracker.clock import to_ms
from tracker.collect.checks import heard_of
from tracker.connectors.guarded import Refused
from tracker.db.store import begin, reading
from tracker.errors import Invalid, NotFound
from tracker.installing.fetch import LOCAL, fetch_page
from tracker.installing.heard import Tried, judge_heard
from tracker.installing.page import Finding, Level, judge_page
from tracker.settling import settle_tracking
from tracker.visits.agents import read_agent
from tracker.vocabulary import Role

CHECKS = "10 per minute; 100 per hour"
# As their makers write them; the adapters of docs/providers.md, by what they are for.
PROVIDERS = {
    "forms": {
        "hubspot": "HubSpot",
        "marketo": "Marketo",
        "cf7": "Contact Form 7",
        "gravity": "Gravity Forms",
        "elementor": "Elementor Forms",
        "wpforms": "WPForms",
        "ninja": "Ninja Forms",
        "typeform": "Typeform",
        "calendly": "Calendly",
        "tally": "Tally",
        "calcom": "Cal.com",
    },
    "chats": {
        "intercom": "Intercom",
        "drift": "Drift",
        "hubspotchat": "HubSpot Live Chat",
        "tawk": "tawk.to",
        "crisp": "Crisp",
        "livechat": "LiveChat",
    },
    "consent": {"gcm": "Google Consent Mode", "tcf": "IAB TCF"},
}


@routes.get("/install")
@audience(Audience.PEOPLE)
def install() -> ResponseReturnValue:
    """The tag, the check, the settings."""
    site = site_seen()
    return render_template("no_site.html") if site is None else page_of(site)


@routes.post("/install/check")
@limiter.limit(CHECKS)
@audience(Audience.PEOPLE)
def check_site() -> ResponseReturnValue:
    """Look at the site's page, and show what is there."""
    site = site_named()
    url = request.form.get("url", "").strip()[:2_000]
    if url and "://" not in url:
        url = f"https://{url}"
    return page_of(site, url=url, findings=look(site, url))


@routes.get("/install/heard/<nonce>")
@audience(Audience.PEOPLE)
def check_heard(nonce: str) -> ResponseReturnValue:
    """What came of a check so far, for the page that waits: how many beacons, and the findings as HTML."""
    site = site_named()
    if made_ms(nonce) is None:
        raise NotFound("this is no check")
    found, n_heard = heard(site, nonce)
    return jsonify({"n": n_heard, "html": render_template("_findings.html", findings=found)})


@routes.post("/install/settings")
@audience(Audience.PEOPLE, least=Role.OWNER)
def save_tracking() -> ResponseReturnValue:
    """Set what the site's snippet does; for owners."""
    site = site_named()
    form = request.form
    told: dict[str, object] = {name: name in form for name in ("gpc", "dnt", "hash")}
    told |= {name: form.getlist(name) for name in ("fields", "clicks", "parts")}
    if "consent" not in form:
        raise Invalid("choose what is done about consent", field="consent")
    told["consent"] = form["consent"]
    with begin(here().engine) as tx:
        settle_tracking(tx, site.key, told, actor=actor(), now=here().now())
    flash(gettext("Saved. Browsers have it within an hour."), "success")
    return redirect(url_for("pages.install", site=site.key))


def page_of(site: Site, *, url: str = "", findings: list[Finding] | None = None) -> str:
    """The page; `findings` of a check that was just made."""
    base = request.host_url.rstrip("/")
    asked = request.args.get("check", "")
    nonce = asked if made_ms(asked) is not None else new_nonce(to_ms(here().now()))
    about, n_heard = heard(site, nonce)
    address = url or front_of(site, base)
    return render_template(
        "install.html",
        tag=f'<script async src="{script_of(site, base)}"></script>',
        url=address,
        findings=findings,
        nonce=nonce,
        try_url=with_nonce(address if findings is None or may_open(findings) else front_of(site, base), nonce),
        about=about,
        n_heard=n_heard,
        tracking=site.tracking,
        consents=CONSENTS,
        fields=FIELDS,
        clicks=CLICKS,
        providers=PROVIDERS,
        may_change=is_owner(),
    )


def front_of(site: Site, base: str) -> str:
    """The site's front page, as far as it can be guessed."""
    if site.is_demo:
        return f"{base}/demo/"
    host = site.hosts[0]
    return f"{'http' if host in LOCAL else 'https'}://{host}/"


def with_nonce(url: str, nonce: str) -> str:
    """An address that makes the page view a check."""
    plain, _, fragment = url.partition("#")
    whole = f"{plain}{'&' if '?' in plain else '?'}{PARAMETER}={nonce}"
    return f"{whole}#{fragment}" if fragment else whole


def may_open(findings: list[Finding]) -> bool:
    """Whether the address that was checked is one that the page may link to."""
    return not any(one.key in ("no_address", "foreign_host") for one in findings)


def look(site: Site, url: str) -> list[Finding]:
    """Fetch the site's page and judge it."""
    try:
        page = fetch_page(url, site.hosts, may_be_local=any(host in LOCAL for host in site.hosts))
    except Refused as refused:
        return [Finding(Level.BAD, refused.key, refused.value)]
    src = script_of(site, request.host_url.rstrip("/"))
    return [
        Finding(Level.GOOD, "reached", page.url),
        *judge_page(page.html, page.url, page.policies, key=site.key, tag_src=src),
    ]


def heard(site: Site, nonce: str) -> tuple[list[Finding], int]:
    """What came of a check, and how many beacons of it."""
    with reading(here().engine) as tx:
        noted = heard_of(tx, nonce)
    tried = [
        Tried(
            one.site_key,
            one.host,
            one.visitor_id,
            one.consent,
            one.refusal,
            one.sets_cookie,
            read_agent(one.user_agent).bot,
        )
        for one in noted
    ]
    told: dict[str, Any] = {"consent": site.tracking.consent, "gpc": site.tracking.gpc}
    return judge_heard(tried, key=site.key, sends_gpc=request.headers.get("Sec-GPC") == "1", **told), len(tried)
