"""The blueprint that the demo's pages hang on, and what each of their templates may use."""

from typing import Any

from apiflask import APIBlueprint
from flask import g, request

from api.context import here
from api.languages import chosen
from tracker.access.sites import Site, all_sites
from tracker.db.store import Tx, reading
from tracker.errors import Unready

routes = APIBlueprint("demo", __name__, url_prefix="/demo", enable_openapi=False, template_folder="templates")


def demo_site(tx: Tx) -> Site:
    """The site of the demo; raises Unready where none was prepared."""
    site = next((one for one in all_sites(tx) if one.is_demo), None)
    if site is None:
        raise Unready("this store holds no demo: run `minamoto demo`")
    return site


def say(en: str, ja: str) -> str:
    """A text of the demo company in the reader's language: it is content, so both stand side by side."""
    return ja if chosen() == "ja" else en


@routes.before_request
def find() -> None:
    """Find the demo's site before a page is made; an error page, too, is made with what stands below."""
    with reading(here().engine) as tx:
        g.demo_key = demo_site(tx).key


@routes.context_processor
def shared() -> dict[str, Any]:
    """What every template of the demo uses."""
    return {"t": say, "site_key": g.get("demo_key", ""), "here_path": request.path}
