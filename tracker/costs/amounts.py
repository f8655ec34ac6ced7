"""(pure) Amounts as advertising platforms and spreadsheets write them, to exact decimals.

Decides what a column of numbers means: whether a comma or a point stands before the decimals is one answer for all
of it. Money of which the parts are finer than its currency's is rounded so that the sum is right.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import reduce

from tracker.errors import Invalid
from tracker.money import CURRENCIES, exponent

POINT, COMMA = "point", "comma"
NUMBERS = (POINT, COMMA)
LONGEST = 60
# A sign of currency or a code, before the number or behind it.
MARK = r"(?:[A-Z]{3}|[A-Z]{0,3}\$|[¥£€₩₹฿₫₱]|円|元|원)"
CODE = re.compile(r"(?<![A-Z])([A-Z]{3})(?![A-Z$])")
MARKED = re.compile(rf"(?P<sign>-?){MARK}?\s*(?P<inner>-?)(?P<body>[\d.,'’ ]*\d[\d.,'’ ]*?)\s*{MARK}?")
MINUS = str.maketrans({"−": "-", "–": "-", "▲": "-", "△": "-", "﹣": "-"})
SIGNS = {"円": "JPY", "€": "EUR", "£": "GBP", "₩": "KRW", "₹": "INR", "US$": "USD"}
NOTHING = frozenset({"", "-", "--", "---"})
WHOLE = {mark: re.compile(rf"\d+|\d{{1,3}}(?:[{mark}'’ ]\d{{2,3}})*[{mark}'’ ]\d{{3}}") for mark in ",."}
DIGITS = re.compile(r"\d+")
# What most cells are: digits with nothing around them. Read without looking for anything else, ten times as fast.
PLAIN = re.compile(r"\d{1,40}", re.ASCII)
SIMPLE = {
    POINT: re.compile(r"(\d{1,40}|\d{1,3}(?:,\d{3}){1,9})(?:\.(\d{1,20}))?", re.ASCII),
    COMMA: re.compile(r"(\d{1,40}|\d{1,3}(?:\.\d{3}){1,9})(?:,(\d{1,20}))?", re.ASCII),
}
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})?", re.ASCII)  # tells nothing of decimals
EXACT = Context(prec=4 * LONGEST)


def bare(text: str) -> str:
    """A number without its currency, in ordinary digits; '' for none at all ('', '--'). Raises ValueError."""
    if len(text) > LONGEST:
        raise ValueError(text[:LONGEST])
    word = unicodedata.normalize("NFKC", text).translate(MINUS).strip()
    if word in NOTHING:
        return ""
    sign = ""
    if word.startswith("(") and word.endswith(")"):
        sign, word = "-", word[1:-1].strip()
    found = MARKED.fullmatch(word)
    if found is None or not found["body"].replace("’", "'").isascii():
        raise ValueError(word)
    signs = sign + found["sign"] + found["inner"]
    if len(signs) > 1:
        raise ValueError(word)
    return signs + found["body"].strip()


def currency_of(text: str) -> str | None:
    """The currency that an amount or a column's name bears, '1,234 EUR' or '消化金額 (JPY)'; None if it bears none.

    '¥' is two currencies, and '$' many: they tell nothing.
    """
    if SIMPLE[POINT].fullmatch(text):
        return None
    word = unicodedata.normalize("NFKC", text[:LONGEST])
    code = next((found[1] for found in CODE.finditer(word) if found[1] in CURRENCIES), None)
    return code or next((currency for sign, currency in SIGNS.items() if sign in word), None)


def numbers_of(texts: Iterable[str]) -> str | None:
    """What a column says of its decimals: POINT, COMMA, or None where all could be read as two numbers.

    '1,234.50' and '12.5' say a point, '1.234,50', '12,5' and '1.234.567' a comma. '1,234' alone is a thousand, as
    nobody writes money with three decimals; '1.234' alone is left open.
    """
    is_open = False
    for text in texts:
        if THOUSANDS.fullmatch(text):
            continue
        try:
            word = bare(text)
        except ValueError:
            continue
        point, comma = word.rfind("."), word.rfind(",")
        if point >= 0 and comma >= 0:
            return POINT if point > comma else COMMA
        if comma >= 0 and word.count(",") == 1 and len(word) - comma != 4:
            return COMMA
        if word.count(".") > 1:
            return COMMA
        if point >= 0 and (len(word) - point != 4 or len(word.lstrip("-")) > 7):
            return POINT
        is_open = is_open or point >= 0
    return None if is_open else POINT


def number(text: str, numbers: str) -> Decimal | None:
    """The exact number; None where there is none ('', '--'). Raises ValueError.

    numbers  POINT or COMMA: what stands before the decimals
    """
    if simple := SIMPLE[numbers].fullmatch(text):
        whole, rest = simple[1].replace("," if numbers == POINT else ".", ""), simple[2]
        return Decimal(f"{whole}.{rest}" if rest else whole)
    word = bare(text)
    if not word:
        return None
    sign = -1 if word.startswith("-") else 1
    word = word.lstrip("-")
    before, after = (".", ",") if numbers == POINT else (",", ".")
    whole, mark, rest = word.partition(before)
    if not (WHOLE[after].fullmatch(whole) or (not whole and rest)):
        raise ValueError(text)
    if mark and not DIGITS.fullmatch(rest):
        raise ValueError(text)
    digits = re.sub(r"\D", "", whole) or "0"
    return sign * Decimal(f"{digits}.{rest}" if rest else digits)


def whole_number(text: str, numbers: str) -> int | None:
    """A count, such as clicks: '1,234', '1234.0'; None where there is none. Raises ValueError."""
    if PLAIN.fullmatch(text) and len(text) < 16:
        return int(text)
    found = number(text, numbers)
    if found is None:
        return None
    if found != found.to_integral_value() or not 0 <= found < 2**53:
        raise ValueError(text)
    return int(found)


def minor_units(amount: Decimal, currency: str) -> Decimal:
    """An amount in minor units, exactly: it may have parts of one."""
    return EXACT.scaleb(amount, exponent(currency))


def rounded(parts: Sequence[Decimal], keys: Sequence[bytes]) -> list[int]:
    """Whole minor units for amounts that may be finer, so that they add up to what the amounts do, rounded once.

    parts    n amounts in minor units, each >= 0
    keys     n tie-breakers
    returns  n integers, each within 1 of its part; parts that are whole stay as they are
    raises   Invalid: a part is negative
    """
    if any(part < 0 for part in parts):
        raise Invalid("an amount is negative")
    whole = [int(part) for part in parts]
    rests = [EXACT.subtract(part, Decimal(floor)) for part, floor in zip(parts, whole, strict=True)]
    more = int(reduce(EXACT.add, rests, Decimal(0)).to_integral_value(ROUND_HALF_EVEN))
    order = sorted((n for n, rest in enumerate(rests) if rest), key=lambda n: (-rests[n], keys[n], n))
    for n in order[:more]:
        whole[n] += 1
    return whole
