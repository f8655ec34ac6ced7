"""What owners settle about a site, each change with its line in the audit log: for pages, programs and commands.

Like flow.py it composes: the log is of one noun, what is settled of others.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tracker.access import audit
from tracker.access.sites import Site, find_site, set_terms, set_tracking
from tracker.access.tracking import changed, written
from tracker.attribution import policy as terms
from tracker.attribution.policies import policy_in_force, save_policy
from tracker.attribution.policy import Policy
from tracker.calls.numbers import Number, add_number, remove_number
from tracker.db.store import Tx
from tracker.vocabulary import Audited


def settle_policy(
    tx: Tx,
    site_id: int,
    policy: Policy,
    *,
    note: str,
    by: str,
    actor: str,
    now: datetime,
    based_on: int | None = None,
) -> int:
    """Put an attribution policy in force and give its version; raises as policies.save_policy does.

    by, actor  who saves it, as the versions and as the audit log write it
    """
    before, known = policy_in_force(tx, site_id)
    version = save_policy(tx, site_id, policy, note=note, by=by, now=now, based_on=based_on)
    if version != before:
        details = {**audit.difference(terms.written(known), terms.written(policy)), "note": note.strip()}
        audit.note(tx, site_id, actor, Audited.POLICY, str(version), now=now, details=details)
    return version


def settle_tracking(tx: Tx, key: str, told: Mapping[str, object], *, actor: str, now: datetime) -> Site:
    """What a site's snippet does from now on; raises as tracking.changed does, or NotFound."""
    site = find_site(tx, key)
    found = set_tracking(tx, site, changed(site.tracking, told))
    if found.tracking != site.tracking:
        details = audit.difference(written(site.tracking), written(found.tracking))
        audit.note(tx, site.site_id, actor, Audited.TRACKING, site.key, now=now, details=details)
    return found


def settle_terms(tx: Tx, key: str, lease_s: int, lease_rest_s: int, *, actor: str, now: datetime) -> Site:
    """How long visitors of a site hold a phone number from now on, and how long it rests then."""
    site = find_site(tx, key)
    found = set_terms(tx, site, lease_s, lease_rest_s)
    was, is_now = ({name: getattr(one, name) for name in ("lease_s", "lease_rest_s")} for one in (site, found))
    if was != is_now:
        details = audit.difference(was, is_now)
        audit.note(tx, site.site_id, actor, Audited.NUMBERS, site.key, now=now, details=details)
    return found


def settle_number(
    tx: Tx, site: Site, text: str, *, actor: str, now: datetime, shown: Sequence[str] = (), **names: str
) -> Number:
    """Add a number to a site; raises as numbers.add_number does. names: source, medium, campaign."""
    found = add_number(tx, site.site_id, site.timezone, text, now=now, shown=shown, **names)
    told = {"shown": list(found.shown), "source": found.source, "medium": found.medium, "campaign": found.campaign}
    details = audit.difference({}, {name: value for name, value in told.items() if value})
    audit.note(tx, site.site_id, actor, Audited.NUMBERS, found.number, now=now, details=details)
    return found


def take_number(tx: Tx, site: Site, text: str, *, actor: str, now: datetime) -> Number:
    """Show a number to nobody from now on; raises as numbers.remove_number does."""
    found = remove_number(tx, site.site_id, site.timezone, text, now=now)
    details = {"before": {"number": found.number}, "after": {"number": None}}
    audit.note(tx, site.site_id, actor, Audited.NUMBERS, found.number, now=now, details=details)
    return found
