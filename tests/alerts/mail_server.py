"""A mail server on this machine that keeps what it gets, and can be told to fail."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from outdial.alerts.watching import Postbox
from outdial.net.mail_server import MailServer

SENDER = "Outdial <alerts@outdial.example>"


class Mails:
    """What it got, and what it answers: `answers` by address (or "" for all), while there are some."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.answers: dict[str, str] = {}
        self.refused: str | None = None  # what is answered to the content of each
        self.silent = False
        self.asked = 0
        self.users: list[str] = []
        self.came = asyncio.Event()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked += 1
        self.came.set()
        if self.silent:
            await asyncio.sleep(3600)
        if answer := self.answers.get(address) or self.answers.get(""):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refused is not None:
            return self.refused
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.got.append(message)
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"s3cret/@pass", handled=False)

    @property
    def subjects(self) -> list[str]:
        return [message["Subject"] for message in self.got]

    @property
    def texts(self) -> list[str]:
        return [message.get_content() for message in self.got]


@asynccontextmanager
async def mail_server(mails: Mails, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Its port. With `tls` it takes mail after STARTTLS and a password alone."""
    loop = asyncio.get_running_loop()
    more: dict[str, Any] = {}
    if tls is not None:
        more = {"tls_context": tls, "require_starttls": True, "auth_required": True}
        more["authenticator"] = mails.authenticate
    server = await loop.create_server(
        lambda: SMTP(mails, loop=loop, hostname="mail.example", **more), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def postbox(port: int) -> Postbox:
    return Postbox(server=MailServer.parse(f"smtp+plain://127.0.0.1:{port}"), sender=SENDER)
