"""(pure) What brought the caller of a call that no one visitor is known of, by the channel rules of today.

The journal keeps what was found when the call was told: the candidates' landing pages, or the number's own source. So a
rebuild classes them anew, like every other arrival.
"""

from collections.abc import Mapping
from typing import Any

from tracker.calls.match import shared
from tracker.calls.pool import Origin
from tracker.channels.rules import canonical_names, classify, classify_names
from tracker.urls import read_arrival
from tracker.vocabulary import NOT_SET, Channel


def origin_of(url: str, referrer: str | None, hosts: tuple[str, ...]) -> Origin:
    """What brought a visitor, by the rules of touchpoints."""
    found = classify(read_arrival(url, referrer, hosts))
    return Origin(found.channel, found.source, found.medium, found.campaign)


def arrival_of(call: Mapping[str, Any], hosts: tuple[str, ...]) -> dict[str, str]:
    """What a call's own touch tells: its channel, and source, medium and campaign as far as they are known.

    call  a hit's details of the call: `candidates` with their landing pages, or the number's `origin`
    """
    if origin := call.get("origin"):
        source, medium = canonical_names(origin["source"], origin.get("medium"))
        campaign = origin.get("campaign") or NOT_SET
        channel = classify_names(source, medium, campaign)
        # Print and posters have no rule of the web's.
        channel = Channel.OFFLINE.value if channel == Channel.UNASSIGNED else channel
        return {"channel": channel, "source": source, "medium": medium, "campaign": campaign}
    told = shared([origin_of(one["url"], one.get("referrer"), hosts) for one in call.get("candidates", ())])
    return {"channel": Channel.OFFLINE.value, **told}
