"""What the pages of the Funnel report are asked by their address."""

from flask import request

from api.pages.shown import period_of
from tracker.access.sites import Site
from tracker.db.store import Tx
from tracker.reports.funnel import Asked
from tracker.reports.funnel_facts import OWN, ask_funnel
from tracker.reports.where import FILTERS

ASKED = ("by", "compare", "policy", *OWN)


def asked(tx: Tx, site: Site, today: str) -> tuple[str, Asked]:
    """The preset and the question that this page's address asks; raises Invalid."""
    args = {name: request.args.get(name, "") for name in (*ASKED, "period", "from", "to")}
    preset, from_day, to_day = period_of(tx, args, site.site_id, today)
    wanted: dict[str, str | list[str]] = {"from": from_day, "to": to_day}
    wanted |= {name: args[name] for name in ASKED} | {name: request.args.getlist(name) for name in FILTERS}
    return preset, ask_funnel(tx, wanted, site, today)
