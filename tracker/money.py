"""Money in integer minor units of a currency; floats never touch it.

Decides how many decimals a currency has, reads and prints amounts, and shares an amount exactly. It does not
convert between currencies (tracker/rates.py).
"""

import hashlib
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from babel.numbers import list_currencies

from tracker.errors import Invalid

# ISO 4217 minor units that are not 2 (CLDR deviates from ISO for some, so the list is ours).
EXPONENTS = dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0)
EXPONENTS |= dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)
EXPONENTS |= dict.fromkeys("CLF UYW".split(), 4)
CURRENCIES = frozenset(list_currencies())
# 9e15 minor units: exact in a double (JSON) and far inside 63 bits.
LIMIT_MINOR = 9_000_000_000_000_000


def check_currency(code: str, field: str = "currency") -> str:
    """An ISO 4217 code in upper case; raises Invalid for an unknown one."""
    upper = code.upper()
    if upper not in CURRENCIES:
        raise Invalid(f"unknown currency {code[:12]!r}; use an ISO 4217 code such as JPY", field=field)
    return upper


def exponent(currency: str) -> int:
    """How many decimals the currency's minor unit has: 0 for yen, 2 for euro, 3 for dinar."""
    return EXPONENTS.get(currency, 2)


def parse_amount(value: str | int | Decimal, currency: str, field: str = "amount") -> int:
    """Minor units of an amount given in major units ('1500.00'); raises Invalid.

    value     a decimal string, an integer or a Decimal; never negative, never finer than the minor unit
    returns   0 .. LIMIT_MINOR
    """
    try:
        amount = Decimal(value if not isinstance(value, str) else value.strip())
    except InvalidOperation as error:
        raise Invalid(f"{str(value)[:40]!r} is not an amount; write 1500.00", field=field) from error
    if not amount.is_finite():
        raise Invalid(f"{str(value)[:40]!r} is not an amount; write 1500.00", field=field)
    if amount < 0:
        raise Invalid(f"{str(value)[:40]} is negative; write 0 or more", field=field)
    if amount.adjusted() > 20:
        raise Invalid(f"{str(value)[:40]} is too large", field=field)
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise Invalid(
            f"{str(value)[:40]} is finer than the smallest unit of {currency} ({exponent(currency)} decimals)",
            field=field,
        )
    minor = int(scaled)
    if minor > LIMIT_MINOR:
        raise Invalid(f"{str(value)[:40]} is too large", field=field)
    return minor


def plain(amount_minor: int, currency: str) -> str:
    """The amount in major units as a plain decimal string: '1500.00', '-3', never an exponent."""
    places = exponent(currency)
    digits = f"{abs(amount_minor):0{places + 1}d}"
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def tie_key(*parts: str) -> bytes:
    """A tie-breaker that favours no position: the hash of, say, a conversion id and a touchpoint id."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()


def tie_number(*parts: str) -> int:
    """`tie_key` as a signed 64-bit integer in the same order: what stands on the rows of a path."""
    return int.from_bytes(tie_key(*parts), "big") - (1 << 63)


def split(amount_minor: int, weights: Sequence[int], keys: Sequence[bytes] | Sequence[int]) -> list[int]:
    """Share an amount over weights so that the shares add up to it exactly.

    amount_minor  minor units of one currency (yen, cents); negative for a refund
    weights       n >= 1 integers, each >= 0, not all 0, in path order
    keys          n tie-breakers, from (conversion id, touchpoint id)
    returns       n integers in the same order; sum == amount_minor; each within 1 of exact
    raises        ValueError: no weights, a negative one, or all 0
    Ties by the keys' order. Largest remainder (Hamilton), docs/attribution.md#rounding.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        raise ValueError(f"weights must be >= 0 and not all 0: {weights!r}")
    size, sign = abs(amount_minor), -1 if amount_minor < 0 else 1
    shares = [size * weight // total for weight in weights]
    remainders = [size * weight % total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-remainders[i], keys[i], i))
    for i in order[: size - sum(shares)]:
        shares[i] += 1
    return [sign * share for share in shares]
