"""What the demo company agreed on: a definition that both sides signed, target accounts, and a segment.

Nothing in it fades or ends with time, so that the demo looks alike whenever it is told.
"""

from datetime import datetime

from sqlalchemy import func, select

from tracker.access.sites import Site
from tracker.companies import accounts
from tracker.companies.accounts import Told
from tracker.db.schema import contacts
from tracker.db.store import Tx
from tracker.lifecycle.settled import restage
from tracker.lifecycle.versions import save_definition, saved_versions, sign
from tracker.segments.listing import Segment, save_segment
from tracker.staging import restage_some
from tracker.vocabulary import Side

MARKETING, SALES = "user demo@minamoto.example", "user sales@minamoto.example"
REASON = "営業と合意：料金を見て、相談するかセミナーに来た会社をMQLとする (agreed with sales)"
DEFINITION = """[[rule]]
name = "フォームを送った (sent a form)"
stage = "lead"
when = { form = "*" }

[[rule]]
name = "関心が高い (keen)"
stage = "marketingqualifiedlead"
when.all = [
  { score = 50 },
  { page = "/demo/pricing*" },
]

[[rule]]
name = "二人以上と接点 (two people)"
stage = "lead"
scope = "company"
when = { person = "*", times = 2 }

[[points]]
name = "料金 (pricing)"
points = 10
each = { page = "/demo/pricing*" }
cap = 30

[[points]]
name = "ガイド (guide)"
points = 5
each = { page = "/demo/guide*" }
cap = 10

[[points]]
name = "セミナー (seminar)"
points = 20
each = { form = "seminar-form" }

[[points]]
name = "相談 (asked us)"
points = 30
each = { form = "contact-form" }
"""
TIERS = ("A", "A", "A", "B", "B", "B", "B", "B", "C", "C", "C", "C")
OWNERS = ("田中 (Tanaka)", "鈴木 (Suzuki)")
SEGMENT = ("料金を見たリード (leads who saw prices)", "stage-and-pricing")
FILTER = """when.all = [
  { attribute = "stage", is = ["lead", "marketingqualifiedlead"] },
  { page = "/demo/pricing*" },
]
"""
AT_A_TIME = 500


def agree(tx: Tx, site: Site, since: datetime, now: datetime) -> None:
    """Have the definition signed and everybody derived by it, and keep the rest; what is there already stays.

    since  from when on the definition counts
    """
    if saved_versions(tx, site.site_id):
        return
    saved = save_definition(tx, site.site_id, DEFINITION, reason=REASON, by=MARKETING, now=now, from_at=since)
    sign(tx, site.site_id, saved.version, Side.MARKETING, by=MARKETING, now=now)
    sign(tx, site.site_id, saved.version, Side.SALES, by=SALES, now=now)
    row = contacts.c
    wanted = (
        select(row.company_domain)
        .where(row.site_id == site.site_id, row.company_domain.is_not(None))
        .group_by(row.company_domain)
        .order_by((func.max(row.n_deals) > 0).desc(), func.max(row.last_at).desc(), row.company_domain)
        .limit(len(TIERS))
    )
    told = [
        Told(domain, tier, None, OWNERS[place % len(OWNERS)])
        for place, (domain, tier) in enumerate(zip(tx.execute(wanted).scalars(), TIERS, strict=False))
    ]
    accounts.save(tx, site.site_id, told, MARKETING, now)
    name, segment_id = SEGMENT
    save_segment(tx, Segment(f"demo-{segment_id}", site.site_id, name, FILTER, MARKETING, now))
    restage(tx, site.site_id)
    while restage_some(tx, AT_A_TIME, now):
        pass
