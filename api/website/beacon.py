"""GET /m.js gives the snippet; POST /m/e takes a beacon and answers after it is in the journal.

The visitor's page never sees an error: 204, or a 4xx without a body whose header X-Minamoto names the reason.
"""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from apiflask import APIBlueprint
from flask import Response, current_app, request
from werkzeug.wrappers import Response as BaseResponse

from api.context import here
from api.trust import Audience, audience
from tracker.access.sites import all_sites
from tracker.collect.accept import SiteFacts, accept
from tracker.collect.journal import count_refusal
from tracker.db.store import begin
from tracker.vocabulary import Refusal

routes = APIBlueprint("website", __name__, enable_openapi=False)

STATUS = {
    Refusal.TOO_LARGE: 413,
    Refusal.MALFORMED: 400,
    Refusal.UNKNOWN_SITE: 404,
    Refusal.FOREIGN_HOST: 403,
    Refusal.PREFETCH: 403,
    Refusal.OPTED_OUT: 403,
    Refusal.TOO_OLD: 400,
}


@lru_cache(maxsize=1)
def snippet(folder: str) -> bytes:
    """The snippet as it is served: the readable source itself."""
    return (Path(folder) / "m.js").read_bytes()


@routes.get("/m.js")
@audience(Audience.WEBSITE)
def script() -> BaseResponse:
    """The snippet."""
    answer = Response(snippet(current_app.static_folder or ""), mimetype="text/javascript")
    answer.headers["Cache-Control"] = "public, max-age=3600"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.add_etag()
    return answer.make_conditional(request)


@routes.post("/m/e")
@audience(Audience.WEBSITE)
def take() -> Response:
    """Take one beacon: in the journal when this answers 204."""
    context = here()
    now = context.now()
    limit = context.settings.max_beacon_bytes
    # A body that does not tell its length could be without end; browsers always tell.
    if "Transfer-Encoding" in request.headers or (request.content_length or 0) > limit:
        with begin(context.engine) as tx:
            count_refusal(tx, 0, Refusal.TOO_LARGE, now)
        return answer_for(Refusal.TOO_LARGE, 0)
    body = request.get_data(cache=False)
    with begin(context.engine) as tx:
        facts = {site.key: SiteFacts(site.site_id, site.hosts, site.timezone) for site in all_sites(tx)}
        taken = accept(
            tx,
            body,
            headers={name.lower(): value for name, value in request.headers.items()},
            address=request.remote_addr or "",
            sites=facts,
            now=now,
            max_age=timedelta(days=context.settings.max_hit_age_days),
        )
    if taken.n_new:
        context.wake()
    return answer_for(taken.refusal, taken.n_new)


def answer_for(refusal: Refusal | None, n_new: int) -> Response:
    """204 where the hits are in the journal; else the refusal's status, with the reason in a header, and no body."""
    partly = refusal is Refusal.TOO_OLD and n_new > 0
    status = 204 if refusal is None or partly else STATUS[refusal]
    answer = Response(status=status)
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Access-Control-Expose-Headers"] = "X-Minamoto"
    answer.headers["Cache-Control"] = "no-store"
    if refusal is not None:
        answer.headers["X-Minamoto"] = refusal.value
    return answer
