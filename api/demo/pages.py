"""The pages of Hinode Systems, and the page from which a newcomer arrives "as if from" an ad, a mail, an assistant."""

import secrets
from dataclasses import dataclass, replace

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.context import here
from api.demo.routes import routes, say
from api.trust import Audience, audience
from tracker.channels.rules import classify
from tracker.clock import local_day
from tracker.demo.story import TIMEZONE
from tracker.demo.ways import PAGES, WAYS, Way
from tracker.urls import read_arrival

VISITOR_COOKIE = "_mnm"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A link to click on: `look` is how it is drawn, `tags` what it carries, `channel` what it will count as."""

    look: str
    href: str
    tags: str
    channel: str


# A link cannot bring another site's referrer along, so the post on X carries tags.
POST_ON_X = (("utm_source", "x"), ("utm_medium", "social"), ("utm_campaign", "post_seminar"))
ARRIVALS: tuple[tuple[str, Way, str], ...] = (
    ("search", WAYS["google_generic"], "/demo/product"),
    ("mail", WAYS["newsletter"], "/demo/seminar"),
    ("assistant", WAYS["chatgpt"], "/demo/guide"),
    ("post", replace(WAYS["x_post"], tags=POST_ON_X), "/demo/seminar"),
    ("story", WAYS["meta_story"], "/demo/"),
    ("brand", WAYS["google_brand"], "/demo/pricing"),
)


def shown(path: str, template: str, **more: object) -> str:
    """One of the company's pages, tagged."""
    ja, en = PAGES[path]
    return render_template(f"demo/{template}.html", title=say(en, ja), is_tracked=True, **more)


@routes.get("/")
@audience(Audience.ANYONE)
def home() -> str:
    """The front page."""
    return shown("/demo/", "home")


@routes.get("/product")
@audience(Audience.ANYONE)
def product() -> str:
    """What Hinode Plan does."""
    return shown("/demo/product", "product")


@routes.get("/pricing")
@audience(Audience.ANYONE)
def pricing() -> str:
    """What it costs."""
    return shown("/demo/pricing", "pricing")


@routes.get("/guide")
@audience(Audience.ANYONE)
def guide() -> str:
    """An article."""
    return shown("/demo/guide", "guide")


@routes.get("/seminar")
@audience(Audience.ANYONE)
def seminar() -> str:
    """A seminar, with a form to register."""
    return shown("/demo/seminar", "seminar")


@routes.get("/contact")
@audience(Audience.ANYONE)
def contact() -> str:
    """The contact form."""
    return shown("/demo/contact", "contact")


@routes.get("/thanks")
@audience(Audience.ANYONE)
def thanks() -> str:
    """What somebody sees who sent a form."""
    return shown("/demo/thanks", "thanks")


@routes.post("/thanks")
@audience(Audience.ANYONE)
def take() -> ResponseReturnValue:
    """Where the forms are posted to. Nothing is kept here: what Minamoto knows, it knows from its own tag."""
    return redirect(url_for("demo.thanks"), 303)


@routes.get("/arrive")
@audience(Audience.ANYONE)
def arrive() -> str:
    """Links as they stand in ads, mails and answers; this page itself is not tracked."""
    day = local_day(here().now(), TIMEZONE)
    cards = []
    for look, way, landing in ARRIVALS:
        href = way.url("", landing, secrets.token_urlsafe(30), day)
        found = classify(read_arrival(href, None, frozenset()))
        tags = " ".join(f"{name}={value.format(click='…', issue=day)}" for name, value in way.tags)
        cards.append(Arrival(look, href, tags, found.channel))
    opted_out = request.headers.get("Sec-GPC", "").strip() == "1"
    return render_template(
        "demo/arrive.html",
        title=say("Arrive at the demo site", "デモサイトを訪れる"),
        cards={card.look: card for card in cards},
        opted_out=opted_out,
        visitor=request.cookies.get(VISITOR_COOKIE, "")[:8],
    )


@routes.post("/anew")
@audience(Audience.ANYONE)
def anew() -> ResponseReturnValue:
    """Forget this browser's visitor id: the next visit is somebody else's."""
    answer = make_response(redirect(url_for("demo.arrive"), 303))
    answer.delete_cookie(VISITOR_COOKIE, path="/")
    host = request.host.rsplit(":", 1)[0]
    answer.delete_cookie(VISITOR_COOKIE, path="/", domain=host)
    return answer
