"""For people: the server-rendered pages, in Japanese and English. Every figure links to the rows behind it."""

from flask import Flask

from api.pages.audit_log import audit_file, audit_log
from api.pages.calls import calls, save_number, save_terms, take_number
from api.pages.compare import compare_page
from api.pages.contact import contact
from api.pages.contacts import contacts
from api.pages.deal import conversion, deal
from api.pages.frame import home
from api.pages.frame import register as register_frame
from api.pages.install import check_heard, check_site, install, save_tracking
from api.pages.overview import overview, overview_file
from api.pages.password import change_password, new_password, password, set_new_password
from api.pages.pathways import pathways, pathways_file, pathways_rows
from api.pages.policy import policy, save_settings, try_settings
from api.pages.routes import routes
from api.pages.session import log_in, login, logout
from api.pages.shown import register as register_shown
from api.pages.source import source, source_file
from api.pages.source_rows import source_rows
from api.pages.team import add_member, change_role, make_link, take_member, team
from api.pages.touch import touch
from api.pages.tracking import tracking
from api.pages.views import keep_view, open_view, remove_view, rename_view, views
from api.pages.views import register as register_views

# The views declare themselves on `routes` when their module is read.
VIEWS = (
    home,
    login,
    log_in,
    logout,
    overview,
    overview_file,
    source,
    source_file,
    source_rows,
    pathways,
    pathways_file,
    pathways_rows,
    compare_page,
    policy,
    try_settings,
    save_settings,
    contacts,
    contact,
    deal,
    conversion,
    touch,
    calls,
    save_number,
    take_number,
    save_terms,
    tracking,
    install,
    check_site,
    check_heard,
    save_tracking,
    team,
    add_member,
    change_role,
    take_member,
    make_link,
    audit_log,
    audit_file,
    password,
    change_password,
    new_password,
    set_new_password,
    views,
    open_view,
    keep_view,
    rename_view,
    remove_view,
)


def register(app: Flask) -> None:
    """Add the pages and what every page needs."""
    register_frame(app)
    register_shown(app)
    register_views(app)
    app.register_blueprint(routes)
