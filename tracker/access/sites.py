"""Sites: one tracked property each, with its public key, hosts, time zone and currency."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from tracker.access.tracking import SHIPPED, Tracking, read_tracking, written
from tracker.clock import zone
from tracker.db.schema import sites
from tracker.db.store import Tx
from tracker.errors import Conflict, Invalid, NotFound
from tracker.ids import new_site_key
from tracker.money import check_currency

VISIT_GAP_S = 30 * 60
LEASE_S = 30 * 60
LEASE_REST_S = 60 * 60
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?)*\.?")


@dataclass(frozen=True, slots=True)
class Site:
    """One tracked property. `currency` is None until it is set or the first deal or cost names one.

    lease_s, lease_rest_s  how long a visitor holds a phone number, and how long it rests then
    """

    site_id: int
    key: str
    name: str
    hosts: tuple[str, ...]
    timezone: str
    currency: str | None
    visit_gap_s: int
    is_demo: bool
    created_at: datetime
    tracking: Tracking = SHIPPED
    lease_s: int = LEASE_S
    lease_rest_s: int = LEASE_REST_S


def site_of(row: RowMapping | dict[str, Any]) -> Site:
    """A row as a record."""
    return Site(**{**row, "hosts": tuple(row["hosts"]), "tracking": read_tracking(row["tracking"])})


def clean_host(text: str) -> str:
    """A host name in lower case, without scheme, port or path; raises Invalid."""
    host = text.strip().lower()
    host = host.split("://", 1)[-1].split("/", 1)[0]
    if not host.startswith("["):
        host = host.rsplit(":", 1)[0] if ":" in host else host
    host = host.encode("idna").decode() if host and not host.isascii() else host
    if not HOST.fullmatch(host):
        raise Invalid(f"{text[:80]!r} is not a host; write www.example.com", field="host")
    return host.rstrip(".")


def add_site(
    tx: Tx,
    name: str,
    hosts: list[str],
    *,
    now: datetime,
    timezone: str = "UTC",
    currency: str | None = None,
    key: str | None = None,
    is_demo: bool = False,
    tracking: Tracking = SHIPPED,
) -> Site:
    """A new site; raises Invalid (no host, unknown zone or currency) or Conflict (the key is taken)."""
    zone(timezone)
    if not name.strip():
        raise Invalid("a site needs a name", field="name")
    if not hosts:
        raise Invalid("a site needs at least one host", field="host")
    if key and tx.execute(select(sites.c.site_id).where(sites.c.key == key)).scalar() is not None:
        raise Conflict(f"there is a site with key {key}", field="key")
    row = {
        "key": key or new_site_key(),
        "name": name.strip()[:200],
        "hosts": sorted({clean_host(host) for host in hosts}),
        "timezone": timezone,
        "currency": check_currency(currency) if currency else None,
        "visit_gap_s": VISIT_GAP_S,
        "lease_s": LEASE_S,
        "lease_rest_s": LEASE_REST_S,
        "is_demo": is_demo,
        "created_at": now,
        "tracking": written(tracking),
    }
    tx.execute(insert(sites), [row])
    return find_site(tx, str(row["key"]))


def all_sites(tx: Tx) -> list[Site]:
    """Every site, oldest first."""
    return [site_of(row) for row in tx.execute(select(sites).order_by(sites.c.site_id)).mappings()]


def find_site(tx: Tx, key: str) -> Site:
    """The site of a key; raises NotFound."""
    row = tx.execute(select(sites).where(sites.c.key == key)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no site with key {key[:40]!r}", field="site")
    return site_of(row)


def site_by_id(tx: Tx, site_id: int) -> Site:
    """The site of a number; raises NotFound."""
    row = tx.execute(select(sites).where(sites.c.site_id == site_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no site {site_id}")
    return site_of(row)


def set_tracking(tx: Tx, site: Site, tracking: Tracking) -> Site:
    """What the site's snippet does from now on."""
    tx.execute(update(sites).where(sites.c.site_id == site.site_id).values(tracking=written(tracking)))
    return site_by_id(tx, site.site_id)


def set_terms(tx: Tx, site: Site, lease_s: int, lease_rest_s: int) -> Site:
    """How long visitors of the site hold a phone number from now on, and how long it rests then."""
    terms = {"lease_s": lease_s, "lease_rest_s": lease_rest_s}
    tx.execute(update(sites).where(sites.c.site_id == site.site_id).values(**terms))
    return site_by_id(tx, site.site_id)


def settle_currency(tx: Tx, site: Site, currency: str) -> None:
    """The first deal or cost of a site that has no currency yet decides it."""
    if site.currency is None:
        tx.execute(
            update(sites).where(sites.c.site_id == site.site_id, sites.c.currency.is_(None)).values(currency=currency)
        )
