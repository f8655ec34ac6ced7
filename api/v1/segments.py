"""Segments, for programs: which there are, and who is in one now."""

from pydantic import Field

from api.context import here
from api.trust import token_site
from api.v1.contract import operation
from api.v1.fields import Args, At, Out, Path
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker.clock import format_instant
from tracker.db.store import reading
from tracker.reports.people import Listed
from tracker.reports.segment_people import page_of
from tracker.segments.listing import count_listed, find_segment, segments_of

LIST = "segment people"


class SegmentPath(Path):
    """Which segment."""

    segment_id: str = Field(description="The segment's id.", max_length=40, examples=["Gq3v8pXk2mZt4w1A"])


class SegmentOut(Out):
    """A list of people under a name."""

    id: str = Field(description="Its id.", examples=["Gq3v8pXk2mZt4w1A"])
    name: str = Field(description="Its name.", examples=["Leads who saw the prices"])
    condition: str | None = Field(
        description="The condition that its people fit, as in definitions; null: a list that actions put people into.",
        examples=['when = { attribute = "stage", is = "lead" }'],
    )
    people: int | None = Field(
        description="Of a list how many people are in it; null of a condition: its people are counted when listed.",
        examples=[12],
    )
    saved_by: str = Field(description="Who saved it.", examples=["user alice@acme.example"])
    saved_at: At = Field(description="When.")


class SegmentsOut(Out):
    """A site's segments by name."""

    data: list[SegmentOut] = Field(description="The segments.")


class SegmentPersonOut(Out):
    """A person of a segment."""

    id: str = Field(description="The contact's id.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    email: str | None = Field(description="The latest e-mail address.", examples=["hana@kyoto.example"])
    crm_id: str | None = Field(description="The CRM's id.", examples=["C-7"])
    name: str | None = Field(description="The name.", examples=["Hana Sato"])
    phone: str | None = Field(description="The phone number.", examples=["+819012345678"])
    company_domain: str | None = Field(description="The company's domain.", examples=["kyoto.example"])
    stage: str | None = Field(description="The stage of the life cycle.", examples=["lead"])
    lead_at: At = Field(description="When the person could first be named.")


class SegmentPeopleOut(PageOut):
    """People of a segment, by their ids."""

    data: list[SegmentPersonOut] = Field(description="The people; may be none of a page that is not the last.")


@operation("GET", "/segments", tag="Contacts", gives=SegmentsOut, sample="/segments")
def list_segments(args: Args) -> SegmentsOut:
    """List a site's segments: saved filters over people, and lists that actions put people into."""
    site = token_site()
    with reading(here().engine) as tx:
        known, sizes = segments_of(tx, site.site_id), count_listed(tx, site.site_id)
    return SegmentsOut(
        data=[
            SegmentOut(
                id=one.segment_id,
                name=one.name,
                condition=one.text or None,
                people=None if one.is_filter else sizes.get(one.segment_id, 0),
                saved_by=one.saved_by,
                saved_at=format_instant(one.saved_at),
            )
            for one in known
        ]
    )


@operation(
    "GET",
    "/segments/<segment_id>/people",
    tag="Contacts",
    path=SegmentPath,
    args=PageArgs,
    gives=SegmentPeopleOut,
    sample="/segments/$SEGMENT/people?limit=10",
)
def list_segment_people(segment_id: str, args: PageArgs) -> SegmentPeopleOut:
    """List who is in a segment now, in the order of their ids.

    Of a condition each page looks at a bounded number of people, so it may have few or none: go on until next_cursor is
    null. Who comes to fit or does no more between two pages may be missed, or not.
    """
    context, site = here(), token_site()
    after = key_of(LIST, args.cursor, str)
    with reading(context.engine) as tx:
        one = find_segment(tx, site.site_id, segment_id)
        found = page_of(tx, site, one, context.now(), after[0] if after else "", args.limit)
    return SegmentPeopleOut(
        data=[person_out(each) for each in found.people],
        next_cursor=cursor_of(LIST, found.next_id) if found.next_id else None,
    )


def person_out(one: Listed) -> SegmentPersonOut:
    """A person as the API gives them."""
    return SegmentPersonOut(
        id=one.contact_id,
        email=one.email if one.email != one.crm_id else None,
        crm_id=one.crm_id,
        name=one.name,
        phone=one.phone,
        company_domain=one.company_domain,
        stage=one.stage,
        lead_at=format_instant(one.lead_at),
    )
