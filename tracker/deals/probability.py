"""(pure) A deal's chance of being won: a percentage as CRMs write it, ten-thousandths as it is kept."""

from decimal import Decimal, InvalidOperation

from tracker.errors import Invalid

WHOLE_BP = 10_000


def parse_probability(value: str | int | Decimal, field: str = "probability") -> int:
    """Ten-thousandths of a percentage: '35.5' -> 3550.

    value   0 to 100, a decimal string, an integer or a Decimal with at most two decimals
    raises  Invalid(field=…)
    """
    text = str(value).strip()[:40]
    try:
        percent = Decimal(text) if isinstance(value, str) else Decimal(value)
    except InvalidOperation as error:
        raise Invalid(f"{text!r} is no percentage; write 35.5", field=field) from error
    if not percent.is_finite() or not 0 <= percent <= 100:
        raise Invalid(f"{text} is no percentage; write 0 to 100", field=field)
    scaled = percent.scaleb(2)
    if scaled != scaled.to_integral_value():
        raise Invalid(f"{text} has more than two decimals", field=field)
    return int(scaled)


def percent_text(probability_bp: int) -> str:
    """Ten-thousandths as a percentage without needless zeros: 3550 -> '35.5'."""
    whole, rest = divmod(probability_bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else f"{whole}"


def share_bp(n: int, total: int) -> int:
    """A share in ten-thousandths, half up; total >= 1."""
    return (2 * WHOLE_BP * n + total) // (2 * total)


def expected_minor(amount_minor: int, probability_bp: int) -> int:
    """What an amount is worth at a probability, to the minor unit, half up."""
    return (2 * amount_minor * probability_bp + WHOLE_BP) // (2 * WHOLE_BP)
