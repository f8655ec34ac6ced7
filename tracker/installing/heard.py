"""(pure) What the beacons of a check tell: did it come, was it taken, will the cookie last, what consent does."""

from collections.abc import Sequence
from dataclasses import dataclass

from tracker.installing.page import Finding, Level
from tracker.vocabulary import Consent


@dataclass(frozen=True, slots=True)
class Tried:
    """One beacon of a check.

    refusal      why it was refused, or None
    sets_cookie  whether the answer set the visitor's cookie
    bot          the crawler that the browser passes for, or None
    """

    site_key: str
    host: str
    visitor_id: str
    consent: str
    refusal: str | None
    sets_cookie: bool
    bot: str | None


def judge_heard(tried: Sequence[Tried], *, key: str, consent: str, gpc: bool, sends_gpc: bool) -> list[Finding]:
    """Findings about a check, what to do next among them.

    tried      oldest first; empty: nothing came yet
    consent    the site's setting; gpc: whether it honours Global Privacy Control
    sends_gpc  whether the browser that looks at the dashboard sends it: the site is likely opened in the same
    """
    if not tried:
        found = [Finding(Level.NOTE, "waiting")]
        if consent == "opt-in":
            found.append(Finding(Level.NOTE, "agree_first"))
        if gpc and sends_gpc:
            found.append(Finding(Level.BAD, "gpc_here"))
        return found
    last = tried[-1]
    if last.refusal is not None:
        return [Finding(Level.BAD, "refused", last.refusal, last.host)]
    found = [Finding(Level.GOOD, "heard", last.host)]
    if last.site_key != key:
        return [Finding(Level.BAD, "heard_other_key", last.site_key)]
    if last.bot is not None:
        found.append(Finding(Level.NOTE, "passes_for_bot", last.bot))
    found.append(Finding(Level.GOOD, "cookie_server") if last.sets_cookie else Finding(Level.NOTE, "cookie_script"))
    taken = [one.visitor_id for one in tried if one.refusal is None]
    if len(taken) > 1:
        kept = taken[-1] == taken[-2]
        found.append(Finding(Level.GOOD, "cookie_kept") if kept else Finding(Level.BAD, "cookie_lost"))
    else:
        found.append(Finding(Level.NOTE, "open_again"))
    return [*found, consent_found(last.consent, consent)]


def consent_found(sent_under: str, setting: str) -> Finding:
    """What consent does, as this beacon shows."""
    if sent_under == Consent.GRANTED.value:
        return Finding(Level.GOOD, "consent_granted")
    if setting == "opt-in":
        return Finding(Level.BAD, "consent_not_asked")
    return Finding(Level.NOTE, "consent_opt_out" if setting == "opt-out" else "consent_none")
