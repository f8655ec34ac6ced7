"""The way to the mail server: one message over SMTP, and whether it was taken, may be tried again, or never will be."""

import smtplib
import socket
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from tracker.errors import Invalid

TIMEOUT_S = 15.0
PORTS = {"smtp": 25, "smtps": 465}
SUBMISSION = 587  # of smtp:// with a password


class Outcome(StrEnum):
    """What became of a message: taken by the server; not now, try again; refused for good."""

    SENT = "sent"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outcome and its kind, without addresses or what the server wrote: 'SMTP 550', 'timeout'.

    is_servers  whether every other message would have gone the same way now
    """

    outcome: Outcome
    kind: str = ""
    is_servers: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. is_encrypted: TLS from the first byte; else by STARTTLS where the server offers it."""

    host: str
    port: int
    is_encrypted: bool
    user: str
    password: str

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, so that a password may go to it as it is."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


def server_of(url: str) -> Server:
    """The server of smtp://user:password@host:port or smtps://…; raises Invalid, which does not quote the password."""
    wrong = Invalid("write smtp://user:password@host:port, or smtps:// for TLS from the first byte", field="smtp_url")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise wrong
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    usual = SUBMISSION if user and parts.scheme == "smtp" else PORTS[parts.scheme]
    return Server(parts.hostname, port or usual, parts.scheme == "smtps", user, password)


def deliver(server: Server, message: EmailMessage) -> Delivery:
    """Hand one message to the server, in a connection of its own.

    Whatever goes wrong before the message is offered (no connection, a wrong password) concerns the server, not the
    address: it is tried again. So is what the server answers with 4xx; 5xx to the address or the message is for good.
    """
    try:
        with connected(server) as connection:
            try:
                connection.send_message(message)
            except smtplib.SMTPRecipientsRefused as error:
                return of_code(max((code for code, _ in error.recipients.values()), default=0))
            except smtplib.SMTPSenderRefused as error:
                return Delivery(Outcome.LATER, f"SMTP {error.smtp_code}, sender")
            except smtplib.SMTPResponseException as error:
                return of_code(error.smtp_code)
            except smtplib.SMTPNotSupportedError:
                return Delivery(Outcome.NEVER, "SMTPUTF8")
            return Delivery(Outcome.SENT)
    except Unencrypted:
        return later("no encryption")
    except NotLoggedIn:
        return later("log-in")
    except smtplib.SMTPResponseException as error:
        return later(f"SMTP {error.smtp_code}")
    except TimeoutError:
        return later("timeout")
    except (OSError, smtplib.SMTPException) as error:
        return later(type(error).__name__)


def later(kind: str) -> Delivery:
    """The server is not to be had now."""
    return Delivery(Outcome.LATER, kind, is_servers=True)


def of_code(code: int) -> Delivery:
    """What an answer to a message means."""
    return Delivery(Outcome.NEVER if 500 <= code < 600 else Outcome.LATER, f"SMTP {code}")


class Unencrypted(Exception):
    """A password would go over the network as it is."""


class NotLoggedIn(Exception):
    """The server does not take the user and the password."""


def connected(server: Server) -> smtplib.SMTP:
    """A connection that is ready for a message: encrypted where the server can, logged in where there is a user.

    raises  Unencrypted: there is a password, and the server of another machine offers no encryption. NotLoggedIn
    """
    context, name = ssl.create_default_context(), socket.gethostname()
    if server.is_encrypted:
        found: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=name, timeout=TIMEOUT_S, context=context
        )
    else:
        found = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=TIMEOUT_S)
    try:
        found.ehlo_or_helo_if_needed()
        is_safe = server.is_encrypted or server.is_here
        if not server.is_encrypted and found.has_extn("starttls"):
            found.starttls(context=context)
            found.ehlo()
            is_safe = True
        if server.user:
            if not is_safe:
                raise Unencrypted
            log_in(found, server)
    except BaseException:
        found.close()
        raise
    return found


def log_in(connection: smtplib.SMTP, server: Server) -> None:
    """Log in; raises NotLoggedIn, also where the server hangs up on who tries several ways."""
    try:
        connection.login(server.user, server.password)
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError, smtplib.SMTPServerDisconnected):
        raise NotLoggedIn from None
