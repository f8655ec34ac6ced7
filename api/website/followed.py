"""GET /r/LINK: where a link of a mail leads. It counts the click and leads on; to its stored address and nowhere else.

?c= says whom the link was made for. Who is no person, and whoever asks not to be tracked where the site honours it, is
led on like everybody, and not counted. So is everybody while the store takes nothing: a mail's link always leads.
"""

import logging

from flask import current_app, redirect, request
from werkzeug.wrappers import Response

from api.context import here
from api.door import AWAY, READ
from api.trust import Audience, audience
from api.website.routes import Pace, pace, routes
from tracker.access.sites import Site, site_by_id
from tracker.collect.filters import Arriving, drop_opted_out, drop_prefetch
from tracker.collect.payload import WireBeacon
from tracker.db.store import begin, reading
from tracker.errors import NotFound
from tracker.ids import new_link_id
from tracker.mailing.address import tagged
from tracker.mailing.links import MailLink, click_of, find_link, recipient_of
from tracker.reactions import mails_told
from tracker.visits.agents import bot_name

log = logging.getLogger("minamoto.mailing")
LONGEST_ID = 40


@routes.get("/r/<link_id>")
@audience(Audience.WEBSITE)
def follow_link(link_id: str) -> Response:
    """Lead on, and count the click."""
    context = here()
    with reading(context.engine) as tx:
        if len(link_id) > LONGEST_ID:
            raise NotFound("there is no such link")
        link = find_link(tx, link_id)
        site = site_by_id(tx, link.site_id)
    if request.method == "GET" and is_somebody(site) and pace(Pace.CLICKS, context.now()):
        try:
            count(link, site)
        except AWAY:
            log.warning("a click was not counted: the store takes nothing")
    answer = redirect(tagged(link.url, link.programme, link.step), 302)
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def count(link: MailLink, site: Site) -> None:
    """Keep the click."""
    context, now = here(), here().now()
    whose = recipient_of(str(current_app.config["SECRET_KEY"]), link.link_id, request.args.get("c", ""))
    with begin(context.engine) as tx:
        mails_told(tx, site, [click_of(link, whose, now, new_link_id())], now)


def is_somebody(site: Site) -> bool:
    """Whether a person follows the link now and minds not being counted."""
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() in READ}
    beacon = WireBeacon(v=1, site=site.key, visitor="", sent_at=0, hits=[])
    arriving = Arriving(beacon, headers, site.hosts, site.tracking.gpc, site.tracking.dnt)
    if drop_prefetch(arriving) or drop_opted_out(arriving):
        return False
    return bot_name(headers.get("user-agent", "")) is None
