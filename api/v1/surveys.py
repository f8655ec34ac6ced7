"""Surveys: how likely people are to recommend the company; answers told by programs, invitations, the score."""

from datetime import timedelta
from typing import Annotated, Self

from flask import current_app, request
from pydantic import Field, model_validator

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import (
    CONTROL,
    Args,
    Body,
    ContactId,
    Day,
    Email,
    ForOne,
    Instant,
    Key,
    Out,
    Path,
    Word,
    refuse,
)
from tracker.access import audit
from tracker.clock import local_day
from tracker.db.store import begin, reading
from tracker.errors import Invalid, MinamotoError
from tracker.ids import derive, new_link_id
from tracker.reactions import answers_told, recipient_by
from tracker.reports.satisfaction import AskedAnswers, satisfaction
from tracker.survey.nps import Nps
from tracker.survey.reading import MOST_COMMENT, Answer, comment_of
from tracker.survey.surveys import MOST_QUESTION, add_survey, find_survey, invitation, written
from tracker.vocabulary import Audited, Origin

MOST_ANSWERS = 500
YEAR = timedelta(days=364)
EXAMPLE = {
    "answers": [
        {
            "reference": "survey-2026-0417-0031",
            "email": "hana@kyoto.example",
            "score": 9,
            "comment": "Quick help, good tea.",
            "answered_at": "2026-04-17T10:30:00+09:00",
        }
    ]
}
SURVEY_EXAMPLE = {"name": "Spring 2026", "for_anybody": True}


class AnswerIn(Body):
    """One answer."""

    reference: Key | None = Field(
        None,
        description="The survey tool's id of the answer: the same again is kept once. Derived from who, when and what "
        "when not given.",
        examples=["survey-2026-0417-0031"],
    )
    email: Email | None = Field(None, description="Who answered. Without e-mail and contact it is nobody's.")
    contact: ContactId | None = Field(None, description="Who answered, by a contact's id.")
    score: int = Field(ge=0, le=10, description="0, not at all likely, to 10, extremely likely.", examples=[9])
    comment: Annotated[str, Field(max_length=MOST_COMMENT)] = Field(
        "", description="What they said.", examples=["Quick help, good tea."]
    )
    answered_at: Instant | None = Field(None, description="When, at most a day ahead; now when not given.")

    @model_validator(mode="after")
    def is_one(self) -> Self:
        """At most one name."""
        if self.email is not None and self.contact is not None:
            raise refuse("give email or contact, not both", "contact")
        return self


class AnswersIn(Body):
    """Answers."""

    answers: list[AnswerIn] = Field(min_length=1, max_length=MOST_ANSWERS, description="The answers, in any order.")


class AnswersTaken(Out):
    """How many answers were kept."""

    accepted: int = Field(description="Kept.", examples=[1])
    duplicates: int = Field(description="Known already, by their reference.", examples=[0])


class NpsArgs(Args):
    """Of which days, of which survey."""

    from_: Day | None = Field(None, alias="from", description="First day, in the site's zone; a year back.")
    to: Day | None = Field(None, description="Last day; today.")
    survey: str | None = Field(
        None, max_length=40, pattern=CONTROL, description="Only answers to this survey.", examples=["c3VydmV5LTAx"]
    )


class NpsFigures(Out):
    """The net promoter score of some answers, each person counted once with their latest."""

    answers: int = Field(description="People who answered.", examples=[40])
    promoters: int = Field(description="Gave 9 or 10.", examples=[20])
    passives: int = Field(description="Gave 7 or 8.", examples=[12])
    detractors: int = Field(description="Gave 0 to 6.", examples=[8])
    score: int | None = Field(
        description="Share of promoters less share of detractors, in points; null without answers.", examples=[30]
    )
    low: int | None = Field(description="Lower end of its 95 % interval.", examples=[4])
    high: int | None = Field(description="Upper end of its 95 % interval.", examples=[52])


class NpsMonth(NpsFigures):
    """The same of a month."""

    month: str = Field(description="The month.", examples=["2026-04"])


class NpsOut(NpsFigures):
    """The score of a period, and by month."""

    from_day: Day = Field(description="First day.")
    to_day: Day = Field(description="Last day.")
    months: list[NpsMonth] = Field(description="Its months; they do not add up, for a person counts once in each.")


class SurveyIn(Body):
    """A survey's page."""

    name: Word = Field(description="What you call it; who answers does not see it.", examples=["Spring 2026"])
    question: Annotated[str, Field(max_length=MOST_QUESTION)] | None = Field(
        None,
        description="What is asked; the usual question in the reader's language when not given.",
        examples=["How likely are you to recommend us?"],
    )
    for_anybody: bool = Field(
        True, description="Also who bears no invitation may answer; the answer is nobody's.", examples=[True]
    )


class SurveyOut(Out):
    """A survey's page, which is open."""

    id: str = Field(description="Its id.", examples=["c3VydmV5LTAx"])
    link: str = Field(description="Its address.", examples=["https://minamoto.example.com/nps/c3VydmV5LTAx"])
    name: str = Field(description="What you call it.", examples=["Spring 2026"])


class SurveyPath(Path):
    """Which survey."""

    survey_id: str = Field(description="The survey's id.", max_length=40, pattern=CONTROL, examples=["c3VydmV5LTAx"])


class InvitationOut(Out):
    """The survey's address for one person; who it is for cannot be read in it."""

    link: str = Field(description="The address.", examples=["https://minamoto.example.com/nps/c3VydmV5LTAx?t=7Qm…"])


@operation("POST", "/nps", tag="Surveys", body=AnswersIn, gives=AnswersTaken, sample="/nps", example=EXAMPLE)
def post_nps(body: AnswersIn, args: Args) -> AnswersTaken:
    """Tell how likely people said they are to recommend the company.

    An answer that was told before is counted and not kept again. Of two answers of a person the later one counts; both
    are kept. An address that nobody has makes no contact.
    """
    context, site = here(), token_site()
    now = context.now()
    answers = []
    with begin(context.engine) as tx:
        for place, one in enumerate(body.answers):
            at = one.answered_at or now
            if (at - now).total_seconds() > 86_400:
                raise Invalid("is more than a day ahead", field=f"answers.{place}.answered_at")
            try:
                email, contact_id = recipient_by(tx, site, one.email, one.contact)
            except MinamotoError as error:
                raise Invalid(error.message, field=f"answers.{place}.contact") from None
            comment = comment_of(one.comment)
            reference = one.reference or derive(
                "told", email, contact_id or "", one.score, at.isoformat(), comment, "" if one.answered_at else place
            )
            answers.append(Answer(f"api {reference}", email, one.score, comment, at, contact_id))
        n_new = answers_told(tx, site, answers, Origin.API, now)
    return AnswersTaken(accepted=n_new, duplicates=len(answers) - n_new)


@operation("GET", "/nps", tag="Surveys", args=NpsArgs, gives=NpsOut, sample="/nps?from=2026-04-01&to=2026-04-30")
def get_nps(args: NpsArgs) -> NpsOut:
    """The net promoter score of a period, and by month, each person counted once with their latest answer."""
    site, now = token_site(), here().now()
    to_day = args.to or local_day(now, site.timezone)
    from_day = args.from_ or local_day(now - YEAR, site.timezone)
    if from_day > to_day:
        raise Invalid("the first day is after the last", field="from")
    with reading(here().engine) as tx:
        found = satisfaction(tx, AskedAnswers(site.site_id, from_day, to_day, args.survey))
    months = [NpsMonth(month=month, **fields_of(one)) for month, one in found.months]
    return NpsOut(from_day=from_day, to_day=to_day, months=months, **fields_of(found.whole))


@operation(
    "POST",
    "/surveys",
    tag="Surveys",
    body=SurveyIn,
    gives=SurveyOut,
    status=201,
    sample="/surveys",
    example=SURVEY_EXAMPLE,
)
def post_survey(body: SurveyIn, args: Args) -> SurveyOut:
    """Make a survey: a page of Minamoto's with one question, in the reader's language."""
    context, site = here(), token_site()
    now = context.now()
    with begin(context.engine) as tx:
        made = add_survey(
            tx, site.site_id, new_link_id(), body.name, body.question or "", for_anybody=body.for_anybody, now=now
        )
        details = audit.difference({}, written(made))
        audit.note(tx, site.site_id, actor(), Audited.SURVEY, made.survey_id, now=now, details=details)
    return SurveyOut(id=made.survey_id, link=address_of(made.survey_id), name=made.name)


@operation(
    "GET",
    "/surveys/<survey_id>/for",
    tag="Surveys",
    path=SurveyPath,
    args=ForOne,
    gives=InvitationOut,
    sample="/surveys/$SURVEY/for?email=hana@kyoto.example",
)
def get_invitation(survey_id: str, args: ForOne) -> InvitationOut:
    """A survey's address for one person, so that the answer is theirs. Nothing personal can be read in it."""
    context, site = here(), token_site()
    with reading(context.engine) as tx:
        survey = find_survey(tx, survey_id, site.site_id)
        email, contact_id = recipient_by(tx, site, args.email, args.contact)
    token = invitation(str(current_app.config["SECRET_KEY"]), survey.survey_id, email, contact_id)
    return InvitationOut(link=f"{address_of(survey.survey_id)}?t={token}")


def address_of(survey_id: str) -> str:
    """Where a survey is."""
    return f"{(here().settings.base_url or request.url_root).rstrip('/')}/nps/{survey_id}"


def fields_of(one: Nps) -> dict[str, int | None]:
    """A score as the API gives it."""
    return {
        "answers": one.n,
        "promoters": one.n_promoters,
        "passives": one.n_passives,
        "detractors": one.n_detractors,
        "score": one.score,
        "low": one.low,
        "high": one.high,
    }
