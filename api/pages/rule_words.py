"""Rules in plain sentences of the reader's language, made from what they ask: what marketing and sales read and sign.

The result is plain text; names and patterns are the site's people's, and templates escape them.
"""

import re
from collections.abc import Sequence
from functools import reduce

from flask_babel import gettext, ngettext

from api.pages.shown import count, word
from tracker.lifecycle.conditions import All, Any, Condition, Did, Has, Not, Scored
from tracker.lifecycle.rules import Rule
from tracker.lifecycle.score import PointRule
from tracker.reports.catalogue import message
from tracker.vocabulary import FactKind, Scope

# Words of the text form, in the order in which its messages name them.
NUMBER_WANTED = re.compile(r"(?:^|: )(\w+) is a whole number from (-?\d+) to (-?\d+)")


def said(text: str) -> str:
    """Words told of definitions: gettext, as plain text."""
    return str(text)


# How parts of a sentence follow one another.
JOINTS = (
    message("%(one)s, %(other)s"),
    message("%(one)s; %(other)s"),
    message("%(one)s, and %(other)s"),
    message("%(one)s, or %(other)s"),
    message("%(one)s and %(other)s"),
    message("%(one)s or %(other)s"),
)


def joined(how: str, parts: Sequence[str]) -> str:
    """Parts in their order, by one of JOINTS."""
    assert how in JOINTS
    return reduce(lambda one, other: said(gettext(how, one=one, other=other)), parts)


def sentence_of(rule: Rule) -> str:
    """A rule as a sentence, without the stage it leads to."""
    parts = [condition_sentence(rule.when)]
    if rule.from_stages:
        stages = listed([word("stage_word", one) for one in rule.from_stages])
        parts.append(said(gettext("only from %(stages)s", stages=stages)))
    if rule.scope is Scope.COMPANY:
        parts.insert(0, said(gettext("of a company: what its people did together")))
    return joined("%(one)s; %(other)s", parts)


def points_sentence(one: PointRule) -> str:
    """What something is worth, as a sentence without its points."""
    if one.each is None:
        assert one.when is not None
        return said(gettext("while %(condition)s", condition=condition_sentence(one.when)))
    parts = [said(gettext("each time %(condition)s", condition=condition_sentence(one.each)))]
    if one.cap is not None:
        parts.append(said(gettext("%(n)s at most", n=count(one.cap if one.points > 0 else -one.cap))))
    if one.half_life_days is not None:
        parts.append(said(ngettext("half after %(num)s day", "half after %(num)s days", one.half_life_days)))
    return joined("%(one)s, %(other)s", parts)


def points_text(points: int) -> str:
    """Points with their sign."""
    return f"+{count(points)}" if points > 0 else count(points)


def condition_sentence(one: Condition, *, is_inside: bool = False) -> str:
    """A condition as a part of a sentence; is_inside: of a longer one, so that a list stands in brackets."""
    match one:
        case All(of) | Any(of) if len(of) == 1:
            return condition_sentence(of[0], is_inside=is_inside)
        case All(of) | Any(of):
            parts = [condition_sentence(each, is_inside=True) for each in of]
            found = joined("%(one)s, and %(other)s" if isinstance(one, All) else "%(one)s, or %(other)s", parts)
            return said(gettext("(%(text)s)", text=found)) if is_inside else found
        case Not(of):
            return said(gettext("not (%(text)s)", text=condition_sentence(of)))
        case Scored(at_least):
            return said(gettext("the score is %(n)s or more", n=count(at_least)))
        case Has():
            return attribute_sentence(one)
        case Did():
            return deed_sentence(one)


def deed_sentence(did: Did) -> str:
    """What somebody is asked to have done."""
    texts = "" if did.patterns == ("*",) else quoted(did.patterns)
    base = deed_base(did.kind, texts)
    more = []
    if did.times > 1:
        more.append(said(gettext("%(n)s times or more", n=count(did.times))))
    if did.within_days is not None:
        more.append(said(ngettext("within %(num)s day", "within %(num)s days", did.within_days)))
    more += [said(gettext("%(name)s: %(texts)s", name=name, texts=quoted(ones))) for name, ones in did.where]
    if did.kind is FactKind.DEAL and (did.at_least is not None or did.at_most is not None):
        more.append(said(gettext("amount %(bounds)s", bounds=bounds_of(did))))
    elif did.at_least is not None or did.at_most is not None:
        more.append(bounds_of(did))
    return said(gettext("%(what)s (%(more)s)", what=base, more=joined("%(one)s, %(other)s", more))) if more else base


def deed_base(kind: FactKind, texts: str) -> str:
    """A deed of a kind that fits these texts; '' of any."""
    named = {
        FactKind.PAGE: gettext("a page %(texts)s was seen", texts=texts),
        FactKind.FORM: gettext("the form %(texts)s was sent", texts=texts),
        FactKind.EVENT: gettext("the event %(texts)s happened", texts=texts),
        FactKind.CALL: gettext("there was a phone call %(texts)s", texts=texts),
        FactKind.CHAT: gettext("there was a chat %(texts)s", texts=texts),
        FactKind.OFFLINE: gettext("there was %(texts)s outside the web", texts=texts),
        FactKind.TOUCH: gettext("there was a touch by %(texts)s", texts=texts),
        FactKind.MAIL: gettext("of the mail programme %(texts)s something happened", texts=texts),
        FactKind.NPS: gettext("a survey was answered with %(texts)s", texts=texts),
        FactKind.DEAL: gettext("a deal was %(texts)s", texts=texts),
        FactKind.PERSON: gettext("the company has a person who is %(texts)s", texts=texts),
    }
    any_one = {
        FactKind.PAGE: gettext("a page was seen"),
        FactKind.FORM: gettext("a form was sent"),
        FactKind.EVENT: gettext("an event happened"),
        FactKind.CALL: gettext("there was a phone call"),
        FactKind.CHAT: gettext("there was a chat"),
        FactKind.OFFLINE: gettext("there was a touch outside the web"),
        FactKind.TOUCH: gettext("there was a touch"),
        FactKind.MAIL: gettext("something happened to a mail"),
        FactKind.NPS: gettext("a survey was answered"),
        FactKind.DEAL: gettext("anything happened to a deal"),
        FactKind.PERSON: gettext("the company has a person who is known"),
    }
    return said((named if texts else any_one)[kind])


def attribute_sentence(has: Has) -> str:
    """What an attribute is asked to be."""
    parts = []
    if has.is_:
        parts.append(said(gettext("is %(texts)s", texts=quoted(has.is_))))
    if has.is_not:
        parts.append(said(gettext("is not %(texts)s", texts=quoted(has.is_not))))
    if has.matches:
        parts.append(said(gettext("fits %(texts)s", texts=quoted(has.matches))))
    if has.at_least is not None or has.at_most is not None:
        parts.append(bounds_of(has))
    if has.is_known is not None:
        parts.append(said(gettext("is known") if has.is_known else gettext("is not known")))
    what = joined("%(one)s and %(other)s", parts)
    return said(gettext("%(name)s %(what)s", name=has.attribute, what=what))


def bounds_of(one: Did | Has) -> str:
    """Bounds as signs: '≥ 100', '100–200'."""
    if one.at_least is not None and one.at_most is not None:
        return f"{number(one.at_least)}–{number(one.at_most)}"
    return f"≥ {number(one.at_least)}" if one.at_least is not None else f"≤ {number(one.at_most or 0)}"


def number(value: float) -> str:
    """A number of a rule, all its digits."""
    return count(value) if float(value).is_integer() else repr(value)


def quoted(texts: Sequence[str]) -> str:
    """Texts in the reader's quotation marks: one of them is enough."""
    return listed([said(gettext("“%(text)s”", text=one)) for one in texts])


def listed(words: Sequence[str]) -> str:
    """Words of which one is enough."""
    return joined("%(one)s or %(other)s", words)


def error_text(message: str) -> str:
    """What is wrong with one field of the builder, in the reader's language where that is known."""
    if message == "empty":
        return said(gettext("Add a condition."))
    if found := NUMBER_WANTED.search(message):
        return said(gettext("Give a whole number from %(least)s to %(most)s.", least=found[2], most=found[3]))
    known = {
        "is a number": gettext("Give a number."),
        "texts": gettext("Write a text; several with | between them."),
        "a text of": gettext("Write a text of 200 characters at most; several with | between them."),
        "say what": gettext("Say what it is to be."),
        "is no stage": gettext("Choose a stage of this site."),
        "name is a text": gettext("Give it a name."),
        "stage is a text": gettext("Choose a stage."),
        "attribute is a text": gettext("Name the attribute."),
        "points is a whole number": gettext("Points are a whole number other than 0, from -1000 to 1000."),
        "without times and within_days": gettext("Points are for each deed: without a number of times or of days."),
        "companies have no points": gettext("Companies have no points of their own to ask for."),
        "cannot depend on points": gettext("Points cannot depend on points."),
        "cannot ask for the": gettext("A rule cannot ask for the stage: choose from which stages it moves people."),
        "write name = text": gettext("Write name = text, with ; between several."),
        "deep in one another": gettext("There are too many groups in one another."),
        "there are two": gettext("Two have the same name."),
        "is neither a": gettext("Add a rule, or something that gives points."),
    }
    first = [text for sign, text in known.items() if sign in message and sign not in ("texts", "a text of")]
    return said((first or [text for sign, text in known.items() if sign in message] or [""])[0])
