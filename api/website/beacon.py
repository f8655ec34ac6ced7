"""GET /m.js gives the snippet; POST /m/e takes a beacon and answers after it is in the journal.

The server asks front.py first, which takes beacons by the same door before Flask makes a request of them.
"""

from functools import lru_cache

from apiflask import APIBlueprint
from flask import Response, current_app, request
from werkzeug.wrappers import Response as BaseResponse

from api.context import here
from api.door import READ
from api.trust import Audience, audience
from api.website import ask
from api.website.snippet import compose
from tracker.vocabulary import Refusal

routes = APIBlueprint("website", __name__, enable_openapi=False)


@lru_cache(maxsize=1)
def snippet(folder: str) -> bytes:
    """The snippet for tags that name their site themselves: the core with its defaults."""
    return compose(folder, {}, [])


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
    """Take one beacon: in the journal when this answers 204. With ?ask: answer a question."""
    door = here().door
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() in READ}
    body = Refusal.TOO_LARGE if door.is_too_large(headers) else request.get_data(cache=False)
    peer, scheme = request.environ["minamoto.asked_by"]
    if "ask" in request.args:
        return ask.answer(here(), body, headers, peer, scheme)
    status, answered = door.take(body, headers, peer, scheme)
    return Response(status=status, headers=answered)
