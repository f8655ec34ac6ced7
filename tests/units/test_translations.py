"""Every text of the pages is said in Japanese, and what is compiled is what is written.

To bring the catalogue up to date after a text has changed:

    pybabel extract -F api/translations/babel.cfg -k message --no-location --sort-output -o build/m.pot api tracker
    pybabel update --no-fuzzy-matching --ignore-obsolete --width 118 -i build/m.pot -d api/translations
    (write the empty ones in api/translations/ja/LC_MESSAGES/messages.po)
    pybabel compile -d api/translations
"""

import re
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
TRANSLATIONS = ROOT / "api" / "translations"
JAPANESE = TRANSLATIONS / "ja" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)s")


@cache
def used() -> frozenset[str]:
    """The messages of the code and the templates; of a plural, the singular."""
    with (TRANSLATIONS / "babel.cfg").open() as mapping:
        methods, options = parse_mapping_cfg(mapping)
    keywords = DEFAULT_KEYWORDS | {"message": None}
    found = set()
    for folder in ("api", "tracker"):
        for _, _, message, _, _ in extract_from_dir(ROOT / folder, methods, options, keywords):
            found.add(message if isinstance(message, str) else message[0])
    return frozenset(found)


@cache
def written() -> Catalog:
    """The Japanese catalogue as people edit it."""
    with (JAPANESE / "messages.po").open("rb") as file:
        return read_po(file, locale="ja")


def id_of(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def texts_of(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or [""])


def entries() -> list[Message]:
    return [message for message in written() if message.id]


def test_the_pages_have_texts_to_translate() -> None:
    assert {"Source report", "Visits", "There is nothing here", "%(num)s day later"} <= used()


def test_every_text_is_said_in_japanese() -> None:
    said = {id_of(message) for message in entries() if all(texts_of(message)) and not message.fuzzy}
    assert sorted(used() - said) == []


def test_no_translation_is_left_over() -> None:
    assert sorted({id_of(message) for message in entries()} - used()) == []


def test_a_translation_keeps_what_is_filled_in() -> None:
    # Of one the number may be said in words: "One row" beside "%(num)s rows".
    whole = [(message.id if isinstance(message.id, str) else message.id[-1], message) for message in entries()]
    filled = [(english, text) for english, message in whole for text in texts_of(message)]
    assert [pair for pair in filled if set(PLACEHOLDER.findall(pair[0])) != set(PLACEHOLDER.findall(pair[1]))] == []


def test_a_translation_has_no_percent_sign_of_its_own() -> None:
    said = [text for message in entries() for text in texts_of(message)]
    assert [text for text in said if "%" in PLACEHOLDER.sub("", text).replace("%%", "")] == []


def test_the_compiled_catalogue_is_the_written_one() -> None:
    with (JAPANESE / "messages.mo").open("rb") as file:
        compiled = {id_of(message): texts_of(message) for message in read_mo(file) if message.id}
    assert compiled == {id_of(message): texts_of(message) for message in entries()}
