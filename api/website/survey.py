"""GET and POST /nps/SURVEY: a page that asks how likely somebody is to recommend the company.

Works without script, sets no cookie and loads nothing from elsewhere. ?t= is an invitation: the answer is then of whom
it was made for. ?lang= or the browser says in which language. There is nothing here that a forged request could abuse:
whoever posts writes an answer of nobody, or holds an invitation.
"""

import re

from flask import current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from werkzeug.wrappers import Response

from api.context import here
from api.trust import Audience, audience
from api.website.routes import Pace, pace, routes
from tracker.access.sites import Site, site_by_id
from tracker.access.users import LANGUAGES
from tracker.db.store import begin, reading
from tracker.errors import NotFound
from tracker.ids import new_link_id
from tracker.reactions import answers_told
from tracker.survey.reading import MOST_COMMENT, Answer, comment_of
from tracker.survey.surveys import Survey, find_survey, invited
from tracker.vocabulary import Origin

MOST_BYTES = 65_536
LONGEST_ID = 40
ONCE = re.compile(r"[A-Za-z0-9_-]{12}")
SCORE = re.compile(r"[0-9]|10")


@routes.get("/nps/<survey_id>")
@audience(Audience.WEBSITE)
def ask_survey(survey_id: str) -> ResponseReturnValue:
    """The question, or thanks for the answer."""
    survey, site = found(survey_id)
    return shown(survey, site, "thanks" if "done" in request.args else state_of(survey, request.args.get("t", "")))


@routes.post("/nps/<survey_id>")
@audience(Audience.WEBSITE)
def answer_survey(survey_id: str) -> ResponseReturnValue:
    """Keep an answer; what is missing is said beside the question."""
    request.max_content_length = MOST_BYTES
    survey, site = found(survey_id)
    token, score = request.form.get("t", ""), request.form.get("score", "")
    state = state_of(survey, token)
    if state != "ask":
        return shown(survey, site, state), 403
    if not SCORE.fullmatch(score):
        return shown(survey, site, "ask", error="score"), 422
    context, now = here(), here().now()
    if not pace(Pace.ANSWERS, now):
        return shown(survey, site, "ask", error="pace"), 429
    whose = invited(secret(), survey.survey_id, token)
    once = request.form.get("once", "")
    email, contact_id = whose or ("", None)
    answer = Answer(
        reference=f"survey {survey.survey_id} {once if ONCE.fullmatch(once) else new_link_id()}",
        email=email,
        score=int(score),
        comment=comment_of(request.form.get("comment", "")),
        answered_at=now,
        contact_id=contact_id,
        survey_id=survey.survey_id,
    )
    with begin(context.engine) as tx:
        answers_told(tx, site, [answer], Origin.BROWSER, now)
    return redirect(url_for("website.ask_survey", survey_id=survey.survey_id, done=1, lang=language()), 303)


def found(survey_id: str) -> tuple[Survey, Site]:
    """The survey and whose it is; raises NotFound."""
    if len(survey_id) > LONGEST_ID:
        raise NotFound("there is no such survey")
    with reading(here().engine) as tx:
        survey = find_survey(tx, survey_id)
        return survey, site_by_id(tx, survey.site_id)


def state_of(survey: Survey, token: str) -> str:
    """Whether who asks may answer: ask, closed, or uninvited."""
    if not survey.is_open:
        return "closed"
    if survey.for_anybody or invited(secret(), survey.survey_id, token) is not None:
        return "ask"
    return "uninvited"


def shown(survey: Survey, site: Site, state: str, error: str = "") -> Response:
    """The page. Rendered without what other pages share, which keeps the language in a cookie."""
    lang = language()
    other = "en" if lang == "ja" else "ja"
    token = request.values.get("t", "")
    with force_locale(lang):
        page = current_app.jinja_env.get_template("nps.html").render(
            lang=lang,
            other=other,
            other_href=url_for(
                "website.ask_survey",
                survey_id=survey.survey_id,
                t=token[:700] or None,
                done=1 if state == "thanks" else None,
                lang=other,
            ),
            post_href=url_for("website.answer_survey", survey_id=survey.survey_id, lang=lang),
            style=url_for("static", filename="pages/survey.css"),
            company=site.name,
            question=survey.question,
            state=state,
            error=error,
            token=token[:700],
            once=request.form.get("once", "") if ONCE.fullmatch(request.form.get("once", "")) else new_link_id(),
            score=request.form.get("score", ""),
            comment=request.form.get("comment", "")[:MOST_COMMENT],
            most_comment=MOST_COMMENT,
        )
    answer = Response(page, mimetype="text/html")
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Content-Language"] = lang
    answer.headers["Vary"] = "Accept-Language"
    return answer


def language() -> str:
    """'en' or 'ja': as the address says, else as the browser asks."""
    asked = request.args.get("lang", "")
    return asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"


def secret() -> str:
    """The installation's secret."""
    return str(current_app.config["SECRET_KEY"])
