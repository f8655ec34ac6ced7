"""POST /m/e takes a beacon and answers after it is in the journal; with ?ask it answers a page's question.

The server asks front.py first, which takes beacons by the same door before Flask makes a request of them. Where a page
may load images only, GET /m/e?b= takes a beacon from its address.
"""

from flask import Response, request

from api.context import here
from api.door import READ
from api.trust import Audience, audience
from api.website import ask
from api.website.routes import routes
from tracker.vocabulary import Refusal

# One transparent pixel, the smallest that all browsers take for an image: without it the page would see an error.
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


@routes.post("/m/e")
@audience(Audience.WEBSITE)
def take() -> Response:
    """Take one beacon: in the journal when this answers 204. With ?ask: answer a question."""
    door = here().door
    headers = asked_with()
    body = Refusal.TOO_LARGE if door.is_too_large(headers) else request.get_data(cache=False)
    peer, scheme = request.environ["minamoto.asked_by"]
    if "ask" in request.args:
        return ask.answer(here(), body, headers, peer, scheme)
    status, answered = door.take(body, headers, peer, scheme)
    return Response(status=status, headers=answered)


@routes.get("/m/e")
@audience(Audience.WEBSITE)
def take_by_image() -> Response:
    """Take one beacon from ?b=: in the journal when this answers an image."""
    peer, scheme = request.environ["minamoto.asked_by"]
    status, answered = here().door.take(request.args.get("b", "").encode(), asked_with(), peer, scheme)
    if status != 204:
        return Response(status=status, headers=answered)
    return Response(PIXEL, mimetype="image/gif", headers=answered)


def asked_with() -> dict[str, str]:
    """The request's headers that the door reads, names in lower case."""
    return {name.lower(): value for name, value in request.headers.items() if name.lower() in READ}
