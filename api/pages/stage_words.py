"""What the site that is looked at calls its stages: `stage_word` of _words.html and the pages' lists ask here."""

from flask import Flask, g

from api.context import here
from api.trust import logged_in, site_seen
from tracker.db.store import Tx, reading
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import SHIPPED, Stages


def register(app: Flask) -> None:
    """Let _words.html know the site's own words."""
    app.jinja_env.globals["own_stage_label"] = own_label


def stages_seen(tx: Tx | None = None) -> Stages:
    """The stages of the site that is looked at, read once for a page; tx: one that reads already."""
    site = site_seen() if logged_in() else None
    if site is None:
        return SHIPPED
    known: tuple[int, Stages] | None = g.get("stages_seen")
    if known is not None and known[0] == site.site_id:
        return known[1]
    if tx is None:
        with reading(here().engine) as own:
            found = stages_of(own, site.site_id)
    else:
        found = stages_of(tx, site.site_id)
    g.stages_seen = (site.site_id, found)
    return found


def forget_seen() -> None:
    """The stages were changed: what this page reads from now on are the new ones."""
    g.pop("stages_seen", None)


def own_label(name: str) -> str | None:
    """What the site itself calls a stage; None: the product's own word."""
    return stages_seen().label(name)
