"""What the CRM says of a deal, line by line, and the ledger that follows. Amounts in euro."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.deals.ledger import Change, replay
from tracker.errors import Invalid
from tracker.money import plain
from tracker.vocabulary import DealStatus

# told: day, what was said | ledger: day kind amount
CASES = {
    "an open deal has no money yet": ("04-01 amount=1000 ; 04-05 stage=offer", ""),
    "a won deal is booked on its closing day": (
        "04-01 amount=1000 ; 04-20 status=won closed_at=04-18",
        "04-18 won 1000.00",
    ),
    "without a closing day it is the day on which the CRM said so": (
        "04-01 amount=1000 ; 04-20 status=won",
        "04-20 won 1000.00",
    ),
    "an amendment is booked on its own day": (
        "04-01 amount=1000 status=won ; 05-02 amount=1200.50",
        "04-01 won 1000.00 ; 05-02 amended 200.50",
    ),
    "a refund is booked on its own day": (
        "04-01 amount=1000 status=won ; 05-02 refunded=250 ; 06-01 refunded=1000",
        "04-01 won 1000.00 ; 05-02 refunded -250.00 ; 06-01 refunded -750.00",
    ),
    "the same words again change nothing": (
        "04-01 amount=1000 status=won ; 04-02 amount=1000 status=won",
        "04-01 won 1000.00",
    ),
    "lost after it was won takes back what is left": (
        "04-01 amount=1000 status=won ; 05-01 refunded=100 ; 06-01 status=lost",
        "04-01 won 1000.00 ; 05-01 refunded -100.00 ; 06-01 lost_after_won -900.00",
    ),
    "reopened and won again": (
        "04-01 amount=1000 status=won ; 05-01 status=open ; 06-01 status=won amount=900",
        "04-01 won 1000.00 ; 05-01 reopened -1000.00 ; 06-01 won 900.00",
    ),
    "a corrected closing day moves the money to its day": (
        "04-01 amount=1000 status=won ; 04-09 closed_at=03-31",
        "04-01 won 1000.00 ; 04-01 redated -1000.00 ; 03-31 redated 1000.00",
    ),
    "a late word is put where it belongs": (
        "04-01 amount=1000 status=won ; 04-20 amount=800 ; 04-10 amount=900",
        "04-01 won 1000.00 ; 04-10 amended -100.00 ; 04-20 amended -100.00",
    ),
    "another currency replaces the whole amount": (
        "04-01 amount=1000 status=won ; 04-20 currency=JPY amount=160000",
        "04-01 won 1000.00 ; 04-20 amended -1000.00 ; 04-20 amended 160000",
    ),
    "won for nothing is still won": ("04-01 amount=0 status=won", "04-01 won 0.00"),
}


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"2026-{day}T00:00:00").replace(tzinfo=UTC)


def changes_of(told: str) -> list[Change]:
    found = []
    for seq, line in enumerate(told.split(" ; ")):
        day, *words = line.split()
        fields = dict(word.split("=") for word in words)
        if "closed_at" in fields:
            fields["closed_at"] = at(fields["closed_at"]).isoformat()
        found.append(Change(at(day), seq, fields))
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_ledger_says(case: str) -> None:
    told, expected = CASES[case]
    recorded = replay(changes_of(told), "EUR")
    ledger = [
        f"{entry.occurred_at:%m-%d} {entry.kind.value} {plain(entry.amount_minor, entry.currency)}"
        for entry in recorded.entries
    ]
    assert " ; ".join(ledger) == expected


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ("04-01 amount=-1", "amount"),
        ("04-01 amount=10.005", "amount"),
        ("04-01 amount=1e3000", "amount"),
        ("04-01 amount=NaN", "amount"),
        ("04-01 currency=JPY amount=100.5", "amount"),
        ("04-01 currency=XXY amount=100", "currency"),
        ("04-01 amount=100 ; 04-02 refunded=101", "refunded"),
        ("04-01 amount=100 ; 04-02 currency=USD", "amount"),
    ],
)
def test_a_deal_that_contradicts_itself_is_refused(told: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        replay(changes_of(told), "EUR")
    assert refused.value.field == field


statuses = st.sampled_from([status.value for status in DealStatus])
words = st.fixed_dictionaries(
    {},
    optional={
        "status": statuses,
        "amount": st.integers(500, 900).map(str),
        "refunded": st.integers(0, 500).map(str),
    },
)


@given(st.lists(st.tuples(st.integers(1, 28), words), min_size=1, max_size=8), st.randoms())
def test_the_ledger_adds_up_to_what_the_crm_says_in_any_order_of_arrival(told, random) -> None:  # type: ignore[no-untyped-def]
    changes = [Change(at(f"04-{day:02d}"), seq, fields) for seq, (day, fields) in enumerate(told)]
    changes.insert(0, Change(at("04-01"), -1, {"amount": "700"}))
    recorded = replay(changes, "EUR")
    net = recorded.deal.net_minor if recorded.deal.status == DealStatus.WON else 0
    assert sum(entry.amount_minor for entry in recorded.entries) == net
    shuffled = list(changes)
    random.shuffle(shuffled)
    assert replay(shuffled, "EUR") == recorded
