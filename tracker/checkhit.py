"""(pure) Check hits: page views of whoever tries the tag out, by a link of the installing page.

The link's address bears a nonce, which tells when it was made. A page view with one that is at most an hour old is a
check: its visit is kept, flagged, and counts for nothing, like a crawler's. A link that is passed on later is a link.
"""

import re
import secrets

PARAMETER = "minamoto_check"
LASTS_MS = 3_600_000
CHECK = "Minamoto check"  # stands where a crawler's name stands
_FOUND = re.compile(rf"[?&]{PARAMETER}=([0-9a-f]{{11}})-([0-9a-f]{{16}})(?=[&#]|\Z)")


def new_nonce(at_ms: int) -> str:
    """A nonce made at an instant, in milliseconds since 1970."""
    return f"{at_ms:011x}-{secrets.token_hex(8)}"


def nonce_of(url: str) -> str | None:
    """The nonce in a page's address, or None."""
    found = _FOUND.search(url) if PARAMETER in url else None
    return None if found is None else f"{found[1]}-{found[2]}"


def made_ms(nonce: str) -> int | None:
    """When a nonce was made, in milliseconds since 1970; None for a text that is none."""
    found = _FOUND.fullmatch(f"?{PARAMETER}={nonce}")
    return None if found is None else int(found[1], 16)


def is_check(url: str, at_ms: int) -> bool:
    """Whether a page view at this address and instant is a check."""
    nonce = nonce_of(url)
    made = made_ms(nonce) if nonce else None
    return made is not None and -LASTS_MS <= at_ms - made <= LASTS_MS
