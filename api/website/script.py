"""GET /m.js?site=KEY: the core with the site's settings and parts in one file. Without ?site= the core, for older tags.

For a key that no site has, and when the store is away, it is a script that does nothing and takes every command: 404 or
503 would be an error on the console of somebody's shop. X-Minamoto says what it is, so that a check can tell.
"""

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from flask import Response, current_app, request
from werkzeug.wrappers import Response as BaseResponse

from api.context import Context, here
from api.door import AWAY
from api.trust import Audience, audience
from api.website.routes import routes
from api.website.snippet import compose
from tracker.access.sites import Site, find_site
from tracker.access.tracking import written
from tracker.calls.numbers import shown_numbers
from tracker.collect.cookie import registrable_domain
from tracker.db.store import reading
from tracker.errors import NotFound
from tracker.vocabulary import Refusal

log = logging.getLogger("minamoto.snippet")
KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
SILENT = b"window.minamoto=window.minamoto||function(){};\n"
HOUR_S, MINUTE_S = 3_600, 60


@routes.get("/m.js")
@audience(Audience.WEBSITE)
def script() -> BaseResponse:
    """The snippet."""
    folder, key = current_app.static_folder or "", request.args.get("site")
    if key is None:
        return served(composed(folder, "{}", ()), HOUR_S)
    try:
        found = settings_of(here(), key)
    except AWAY:
        return served(SILENT, 0, Refusal.BUSY)
    if found is None:
        return served(SILENT, MINUTE_S, Refusal.UNKNOWN_SITE)
    return served(composed(folder, *found), HOUR_S)


def settings_of(context: Context, key: str) -> tuple[str, tuple[str, ...]] | None:
    """What a site's snippet is made with: its settings as JSON, its parts; None for a key that no site has."""
    if not KEY.fullmatch(key):
        return None
    with reading(context.engine) as tx:
        try:
            site = find_site(tx, key)
        except NotFound:
            return None
        return made_with(site, shown=shown_numbers(tx, site.site_id))


def made_with(site: Site, *, shown: Sequence[Sequence[str]] = ()) -> tuple[str, tuple[str, ...]]:
    """(pure) A site's settings as the snippet reads them, and the parts that it carries.

    shown  the phone numbers on its pages that others stand in for, as shown_numbers gives them
    """
    told = {"site": site.key} | written(site.tracking)
    adapters = told.pop("parts")
    parts = []
    if {"name", "company"} & set(site.tracking.fields):
        parts.append("names")
    if len({registrable_domain(host) or host for host in site.hosts}) > 1:
        parts.append("link")
    if site.tracking.clicks:
        parts.append("clicks")
    if {"link", "clicks"} & set(parts):
        told["hosts"] = list(site.hosts)
    if shown:
        parts.append("calls")
        told["numbers"] = shown
    return json.dumps(told), (*parts, *adapters)


@lru_cache(maxsize=1_024)
def composed(folder: str, settings: str, parts: tuple[str, ...]) -> bytes:
    """The script; a part that this release does not bring is left out, and said in the log once."""
    there = [name for name in parts if (Path(folder) / "built" / f"{name}.js").is_file()]
    if missing := sorted(set(parts) - set(there)):
        log.warning("the snippet has no part %s", ", ".join(missing))
    return compose(folder, json.loads(settings), there)


def served(content: bytes, for_s: int, refusal: Refusal | None = None) -> BaseResponse:
    """A script that any page may load, kept by browsers for so many seconds."""
    answer = Response(content, mimetype="text/javascript")
    answer.headers["Cache-Control"] = f"public, max-age={for_s}" if for_s else "no-store"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    if refusal is not None:
        answer.headers["X-Minamoto"] = refusal.value
    answer.add_etag()
    return answer.make_conditional(request)
