"""(pure) The steps that can refuse a hit before it reaches the journal, in order; each gives a reason or nothing.

Bots are not refused here: the fold names them once per user agent, keeps their visits flagged, and shows them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from tracker.collect.payload import WireBeacon
from tracker.urls import host_of
from tracker.vocabulary import Refusal


class Arriving(Struct, frozen=True):
    """A beacon with what the request around it tells."""

    beacon: WireBeacon
    headers: Mapping[str, str]  # lower-case names
    site_hosts: Sequence[str]
    gpc: bool = True  # whether the site honours Global Privacy Control
    dnt: bool = False  # whether it honours Do Not Track


Step = Callable[[Arriving], Refusal | None]


def drop_prefetch(arriving: Arriving) -> Refusal | None:
    """A page that the browser fetched ahead was not seen by anybody."""
    purpose = arriving.headers.get("sec-purpose", "") or arriving.headers.get("purpose", "")
    return Refusal.PREFETCH if "prefetch" in purpose.lower() else None


def drop_opted_out(arriving: Arriving) -> Refusal | None:
    """What the browser asks for its user is heard, where the site honours it, though an old snippet did not hear it."""
    said = ((arriving.gpc, "sec-gpc"), (arriving.dnt, "dnt"))
    asked = any(honoured and arriving.headers.get(name, "").strip() == "1" for honoured, name in said)
    return Refusal.OPTED_OUT if asked else None


def drop_foreign_host(arriving: Arriving) -> Refusal | None:
    """A site key copied to another site must not write into this one's numbers."""
    for hit in arriving.beacon.hits:
        if hit.kind == "leave" and not hit.url:
            continue  # its page told where it was
        if not is_own(host_of(hit.url), arriving.site_hosts):
            return Refusal.FOREIGN_HOST
    return None


def is_own(host: str, site_hosts: Sequence[str]) -> bool:
    """Whether a host is one of the site's or below one; a leading www. makes no difference."""
    bare = host.removeprefix("www.")
    return any(bare == own or bare.endswith("." + own) for own in bare_hosts(tuple(site_hosts)))


@lru_cache(maxsize=1_024)
def bare_hosts(site_hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts without a leading www."""
    return tuple(site.removeprefix("www.") for site in site_hosts)


STEPS: tuple[Step, ...] = (drop_prefetch, drop_opted_out, drop_foreign_host)


def refuse(arriving: Arriving) -> Refusal | None:
    """The first step's reason to refuse the beacon, or None."""
    return next((reason for step in STEPS if (reason := step(arriving)) is not None), None)
