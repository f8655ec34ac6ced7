"""What a report is asked, with what the site has settled about credit: the one place where the two meet.

The API, the pages and the command line ask here; `policy` names a version, so that a report can be had as of it.
"""

from tracker.access.sites import Site
from tracker.attribution.fits import fit_in_force
from tracker.attribution.policies import policy_in_force
from tracker.db.store import Tx
from tracker.errors import Invalid
from tracker.reports.query import Asked, Query, parse_query

POLICY = "policy"
MOST_VERSIONS = 1_000_000


def ask(tx: Tx, args: Asked, site: Site, today: str | None = None) -> Query:
    """A query from a request's parameters (query.PARAMETERS); raises Invalid, NotFound for an unknown policy.

    today  the site's day now, where the period may be left out
    """
    asked = args.get(POLICY, "")
    version, policy = policy_in_force(tx, site.site_id, version_of(asked if isinstance(asked, str) else "".join(asked)))
    return parse_query(args, site, today, policy=policy, policy_version=version, fit=fit_in_force(tx, site.site_id))


def version_of(text: str) -> int | None:
    """The number of a policy; None where none was asked for."""
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) <= MOST_VERSIONS):
        raise Invalid(f"{text[:40]!r} is no version of the policy; use a number", field=POLICY)
    return int(text)
