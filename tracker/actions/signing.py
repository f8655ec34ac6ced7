"""(pure) How a webhook is signed: HMAC-SHA256 over its id, its time and its body, by the Standard Webhooks scheme.

https://www.standardwebhooks.com, read 2026-11-22: the receiver takes any of that scheme's libraries, refuses what is
older than five minutes, and drops an id that it knows.
"""

import base64
import hmac
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


def secret_of(randomness: bytes) -> str:
    """A secret as the receiver is given it, of 32 random bytes."""
    return PREFIX + base64.b64encode(randomness[:SECRET_BYTES]).decode()


def headers_of(secret: str, message_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message.

    secret   'whsec_' and base64
    sent_at  of this try: a message that is sent again has the same id and another time
    """
    timestamp = str(int(sent_at.timestamp()))
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
