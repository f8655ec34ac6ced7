"""Settings and installation checked, each finding numbered (docs/operate.md lists them)."""

from dataclasses import dataclass

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from tracker.access.sites import all_sites
from tracker.config import Settings
from tracker.db.store import connect, reading
from tracker.db.upgrade import head, revision
from tracker.errors import MinamotoError
from tracker.rebuild import waiting
from tracker.secret import SHORTEST

MANY_WAITING = 100_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `minamoto check` says: E… is wrong, W… deserves a look, I… is information."""

    code: str
    text: str

    @property
    def line(self) -> str:
        return f"{self.code} {self.text}"

    @property
    def is_error(self) -> bool:
        return self.code.startswith("E")


def findings(settings: Settings) -> list[Finding]:
    """Everything worth saying about an installation."""
    found: list[Finding] = []
    is_sqlite = settings.database_url.startswith("sqlite")
    if not settings.secret_key and not is_sqlite:
        found.append(
            Finding("E001", "MINAMOTO_SECRET_KEY is not set; with PostgreSQL every process needs the same one")
        )
    elif settings.secret_key and len(settings.secret_key) < SHORTEST:
        found.append(Finding("E002", f"MINAMOTO_SECRET_KEY is shorter than {SHORTEST} characters"))
    if settings.sqlite_synchronous == "NORMAL" and is_sqlite:
        found.append(Finding("W001", "MINAMOTO_SQLITE_SYNCHRONOUS is NORMAL: a power cut can lose answered hits"))
    if not settings.secure_cookies:
        found.append(Finding("W002", "MINAMOTO_SECURE_COOKIES is off: set it to true once https is in front"))
    return found + store_findings(settings)


def store_findings(settings: Settings) -> list[Finding]:
    """What there is to say about the database."""
    try:
        engine = connect(settings.database_url, synchronous=settings.sqlite_synchronous)
        stands = revision(engine)
    except (SQLAlchemyError, MinamotoError) as error:
        shown = getattr(error, "orig", None) or error
        return [Finding("E003", f"the database does not answer: {shown}")]
    shown_url = make_url(settings.database_url).render_as_string(hide_password=True)
    if stands is None:
        return [Finding("W003", f"{shown_url} has no tables yet: run `minamoto db upgrade`")]
    if stands != head():
        return [Finding("E004", f"{shown_url} is at revision {stands}, not {head()}: run `minamoto db upgrade`")]
    with reading(engine) as tx:
        n_sites, n_waiting = len(all_sites(tx)), waiting(tx)
    found = [Finding("I001", f"{shown_url} at revision {stands}, {n_sites} sites, {n_waiting} hits wait to be folded")]
    if not n_sites:
        found.append(Finding("W004", "there is no site yet: run `minamoto site add NAME --host HOST`"))
    if n_waiting > MANY_WAITING:
        found.append(Finding("W005", f"{n_waiting} hits wait to be folded: is `minamoto work` running?"))
    return found
