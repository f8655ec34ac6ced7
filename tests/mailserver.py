"""A real mail server on loopback for tests: it keeps what it takes, and refuses what a test tells it to."""

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class MailServer:
    """What came, and how the next message's recipient is answered. `passwords`: the log-ins that were tried."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.answer = "250 OK"
        self.passwords: list[tuple[bytes, bytes]] = []

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: object) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(to)
        return self.answer

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]
        assert isinstance(mail, EmailMessage)
        self.taken.append(mail)
        self.recipients += envelope.rcpt_tos
        return "250 taken"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        self.passwords.append((given.login, given.password))
        return AuthResult(success=given.password == b"p@ss", handled=False)


class AnyPort(Controller):
    """A controller on a port that the system chose."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server() -> Iterator[tuple[MailServer, int]]:
    """A mail server that runs until the test ends, and its port."""
    server = MailServer()
    controller = AnyPort(
        server,
        hostname="127.0.0.1",
        port=0,
        authenticator=server.authenticate,
        auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN"],
    )
    controller.start()
    try:
        yield server, controller.port
    finally:
        controller.stop()
