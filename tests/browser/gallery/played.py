"""Which pages of the gallery an engine plays today.

Chromium plays every page, always. What a page says is read by the same script in every engine; so for Firefox and
WebKitGTK, which take longest, `make gallery` plays the whole gallery once for each state of the snippet and of the
gallery, and `played.json` keeps of which. As long as that is today's state, these two play the pages where what
happens is the engine's own doing (OF_THE_ENGINE). When it is another one, they play all: nothing that was changed goes
by unplayed, with a record or without one.
"""

import json
import os
from hashlib import sha256
from pathlib import Path

from tests.browser.gallery.situation import FOLDER, names
from tests.browser.origins import STATIC

RECORD = FOLDER / "played.json"
# Set to anything: every page in every engine.
WHOLE = "MINAMOTO_TEST_WHOLE_GALLERY"
OTHERS = ("firefox", "webkit")
OF_THE_ENGINE = (
    # What still leaves when a page goes, what a policy lets out, which tab has which storage.
    "delivery-",
    # History, the back-forward cache, what is rendered before it is seen.
    "pages-",
    # In which order keys, validation, submit and the reading of fields come, and who may stop them.
    "form-autofilled",
    "form-cancelled-then-submitted",
    "form-double-click",
    "form-enter-key",
    "form-fetch",
    "form-formaction",
    "form-get",
    "form-in-dialog",
    "form-invalid",
    "form-multipart",
    "form-native",
    "form-prototype-submit",
    "form-requestsubmit",
    "form-submit-by-script",
    # What is seen of frames, shadow trees and other sites, and what is heard of them.
    "form-iframe",
    "form-into-frame",
    "form-shadow-closed",
    "form-shadow-dom",
    "form-shadow-nested",
    "hidden-shadow",
    "provider-gravity",
    "provider-hubspot-legacy-frame",
    "safe-frame-of-another-site",
    "safe-sandboxed-frame",
    # Cookies, storage, policies, signals of consent, other kinds of documents.
    "consent-gpc",
    "consent-opt-in-given",
    "consent-withdrawn",
    "link-to-own-host",
    "safe-cookies-blocked",
    "safe-history-throws",
    "safe-policy",
    "safe-stop-immediate",
    "safe-storage-",
    "safe-xhtml",
)


RIG = [
    *(FOLDER / name for name in ("probe.js", "situation.py", "stage.py")),
    *(FOLDER.parent / name for name in ("engines.py", "origins.py", "webdriver.py")),
]


def state() -> str:
    """A digest of the snippet as it is served, of every page, and of the stage that they are played on."""
    told = sha256()
    for path in sorted([*(STATIC / "built").glob("*.js"), *FOLDER.glob("*.html"), *RIG]):
        told.update(f"{path.name}\n".encode() + path.read_bytes())
    return told.hexdigest()


def pages(engine: str, record: Path = RECORD) -> list[str]:
    """The pages that this engine plays today, by name."""
    played = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    if engine not in OTHERS or os.environ.get(WHOLE) or played.get(engine) != state():
        return names(engine)
    return [name for name in names(engine) if name.startswith(OF_THE_ENGINE)]


def write_down(record: Path = RECORD) -> None:
    """That the others have played all of today's gallery."""
    record.write_text(json.dumps(dict.fromkeys(OTHERS, state()), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_down()
