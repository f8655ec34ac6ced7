"""For people: the server-rendered pages, in Japanese and English. Every figure links to the rows behind it."""

from flask import Flask

from api.pages.account_forms import (
    account_form,
    account_roles,
    accounts_import,
    load_accounts,
    preview_accounts,
    remove_account,
    save_account,
    save_account_roles,
)
from api.pages.accounts import accounts, accounts_file
from api.pages.actions import (
    actions,
    make_action,
    remove_action_of,
    send_again,
    switch_action,
    try_action,
)
from api.pages.audit_log import audit_file, audit_log
from api.pages.calls import calls, save_number, save_terms, take_number
from api.pages.calls_file import calls_file
from api.pages.companies import companies, companies_file, company, move_company
from api.pages.compare import compare_file, compare_page
from api.pages.contact import contact
from api.pages.contacts import contacts, contacts_file
from api.pages.costs import change_cost, cost, cost_new, costs, remove_cost, save_cost
from api.pages.costs_file import costs_file
from api.pages.costs_import import (
    costs_draft,
    costs_import,
    drop_costs,
    load_costs,
    read_otherwise,
    send_costs,
    undo_costs,
)
from api.pages.costs_names import add_cost_rule, costs_names, name_campaign, remove_cost_rule
from api.pages.deal import conversion, deal
from api.pages.definition_form import change_draft, definition_new, save_new_definition
from api.pages.definition_trial import definition_drift, definition_drift_file, definition_try, definition_try_file
from api.pages.definitions import definition, definitions, sign_definition, withdraw_definition
from api.pages.digests import digests, save_digests, send_digest
from api.pages.frame import home
from api.pages.frame import register as register_frame
from api.pages.funnel import funnel, funnel_file
from api.pages.funnel_rows import funnel_rows, funnel_rows_file
from api.pages.install import check_heard, check_site, install, save_tracking
from api.pages.mails_import import answers_import, mails_import, send_answers, send_mails
from api.pages.opportunities import opportunities, opportunities_file
from api.pages.opportunities_rows import opportunities_rows
from api.pages.opportunity_stages import opportunity_stages, save_opportunity_stages
from api.pages.overview import overview, overview_file
from api.pages.password import change_password, new_password, password, set_new_password
from api.pages.pathways import pathways, pathways_file, pathways_rows
from api.pages.person import merge_contact, merge_page, move_contact, split_contact
from api.pages.policy import policy, save_settings, try_settings
from api.pages.programmes import (
    make_mail_link,
    programme,
    programme_rows,
    programmes,
    programmes_file,
    save_programme,
)
from api.pages.routes import routes
from api.pages.scorecard import save_target, scorecard, scorecard_file, scorecard_rows
from api.pages.scores import scores, scores_file
from api.pages.segments import (
    make_segment,
    remove_segment_of,
    save_segment_of,
    segment,
    segment_audience,
    segment_file,
    segments,
)
from api.pages.session import log_in, login, logout
from api.pages.shown import register as register_shown
from api.pages.source import source, source_file
from api.pages.source_rows import source_rows
from api.pages.stage_words import register as register_stage_words
from api.pages.stages import save_stage_settings, save_stages, stages
from api.pages.stages_import import (
    drop_stage_file,
    load_stage_file,
    send_stage_file,
    stage_file,
    stages_import,
)
from api.pages.surveys import answers_file, make_survey, save_survey, surveys
from api.pages.team import add_member, change_role, make_link, take_member, team
from api.pages.touch import touch
from api.pages.tracking import tracking, tracking_file
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
    digests,
    save_digests,
    send_digest,
    source,
    source_file,
    source_rows,
    opportunities,
    opportunities_file,
    opportunities_rows,
    opportunity_stages,
    save_opportunity_stages,
    funnel,
    funnel_file,
    funnel_rows,
    funnel_rows_file,
    pathways,
    pathways_file,
    pathways_rows,
    scorecard,
    scorecard_file,
    scorecard_rows,
    save_target,
    compare_page,
    compare_file,
    policy,
    try_settings,
    save_settings,
    contacts,
    contacts_file,
    contact,
    move_contact,
    merge_page,
    merge_contact,
    split_contact,
    companies,
    companies_file,
    company,
    move_company,
    accounts,
    accounts_file,
    account_form,
    save_account,
    remove_account,
    accounts_import,
    preview_accounts,
    load_accounts,
    account_roles,
    save_account_roles,
    stages,
    save_stages,
    save_stage_settings,
    stages_import,
    send_stage_file,
    stage_file,
    load_stage_file,
    drop_stage_file,
    deal,
    conversion,
    definitions,
    definition,
    definition_new,
    change_draft,
    save_new_definition,
    sign_definition,
    withdraw_definition,
    definition_try,
    definition_try_file,
    definition_drift,
    definition_drift_file,
    scores,
    scores_file,
    touch,
    calls,
    calls_file,
    costs,
    costs_file,
    cost_new,
    save_cost,
    cost,
    change_cost,
    remove_cost,
    costs_import,
    send_costs,
    costs_draft,
    read_otherwise,
    load_costs,
    drop_costs,
    undo_costs,
    costs_names,
    name_campaign,
    add_cost_rule,
    remove_cost_rule,
    save_number,
    take_number,
    save_terms,
    tracking,
    tracking_file,
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
    segments,
    make_segment,
    segment,
    save_segment_of,
    remove_segment_of,
    segment_file,
    segment_audience,
    actions,
    make_action,
    try_action,
    switch_action,
    remove_action_of,
    send_again,
    password,
    change_password,
    new_password,
    set_new_password,
    views,
    open_view,
    keep_view,
    rename_view,
    remove_view,
    programmes,
    programmes_file,
    programme,
    programme_rows,
    save_programme,
    make_mail_link,
    mails_import,
    send_mails,
    surveys,
    answers_file,
    make_survey,
    save_survey,
    answers_import,
    send_answers,
)


def register(app: Flask) -> None:
    """Add the pages and what every page needs."""
    register_frame(app)
    register_shown(app)
    register_stage_words(app)
    register_views(app)
    app.register_blueprint(routes)
