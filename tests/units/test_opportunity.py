"""The order in which stages are typically entered, table by table."""

import pytest

from tracker.reports.opportunity_ways import typical_order

# what deals entered, one deal after the other | the order
ORDERS = {
    "the order in which all went": ("a b c ; a b c", "a b c"),
    "many that have only begun do not put a stage late": ("a b ; a b ; a b ; a b c d", "a b c d"),
    "skipped stages": ("a c ; b c ; a b", "a b c"),
    "most go forward, one came back": ("a b ; a b ; b a", "a b"),
    "as many forward as back: by name": ("b a ; a b", "a b"),
    "nobody went further: by name": ("b ; a", "a b"),
    "a circle: by name": ("a b ; b c ; c a", "a b c"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("case", ORDERS)
def test_stages_stand_in_the_order_in_which_deals_enter_them(case: str) -> None:
    told, expected = ORDERS[case]
    assert typical_order(history.split() for history in told.split(";")) == expected.split()
