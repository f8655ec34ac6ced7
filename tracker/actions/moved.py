"""(pure) A change of stage as actions are told of it."""

from dataclasses import dataclass
from datetime import datetime

from tracker.vocabulary import Scope, StageCause


@dataclass(frozen=True, slots=True)
class StageMoved:
    """Somebody came into a stage.

    subject     the contact's id, or the company's domain
    before      None: they were in none
    at          when it happened, which may be long before it was found out
    decided_by  'crm', 'user alice@acme.example', a deal's reference, a rule's name
    version     of the definition that decided it
    """

    scope: Scope
    subject: str
    before: str | None
    stage: str
    at: datetime
    cause: StageCause
    decided_by: str
    version: int | None = None
