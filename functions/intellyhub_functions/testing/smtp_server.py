"""A real SMTP server on loopback, in a thread: aiosmtpd. It keeps what it takes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

from intellyhub_functions.testing.ports import free_port

__all__ = ["Mailbox", "serving"]

END_SECONDS = 10.0
LOOK_SECONDS = 0.005
MOST_LOOKS = 50
TOKEN = "fresh"  # noqa: S105 - a test's


class Mailbox:
    """What the server took, in order. It refuses recipients called `nobody`, and every token but TOKEN."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.shown: list[str] = []
        """Tokens, as they were shown."""

    def message(self) -> EmailMessage:
        """The first one."""
        content = self.envelopes[0].content
        assert isinstance(content, bytes)
        return message_from_bytes(content, policy=policy.default)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a message."""
        self.envelopes.append(envelope)
        return "250 OK"

    async def auth_XOAUTH2(self, server: SMTP, arguments: list[str]) -> AuthResult:  # noqa: N802
        """As Gmail does: a token that is not known is told why, and the refusal follows the client's empty answer."""
        user, bearer, *_ = base64.b64decode(arguments[1]).decode().split("\x01")
        self.shown.append(bearer)
        if (user, bearer) == ("user=flow@example.org", f"auth=Bearer {TOKEN}"):
            return AuthResult(success=True)
        if await server.challenge_auth("status 400") is not MISSING:
            await server.push("535 5.7.8 not accepted")
        return AuthResult(success=False, handled=True)


def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, shown: Any) -> AuthResult:
    """Whether it is the right password."""
    assert isinstance(shown, LoginPassword)
    return AuthResult(success=shown.password == b"right", handled=False)


class Closing(Controller):
    """aiosmtpd's controller, which ends with its connections."""

    def __init__(self, mailbox: Mailbox, **options: Any) -> None:
        super().__init__(mailbox, **options)
        self._made: list[SMTP] = []

    def factory(self) -> SMTP:
        """A connection's protocol."""
        made: SMTP = super().factory()  # type: ignore[no-untyped-call]  # aiosmtpd does not annotate it
        self._made.append(made)
        return made

    def stop(self, no_assert: bool = False) -> None:
        """End every connection, then the server."""
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(END_SECONDS)
        super().stop(no_assert)

    async def _end(self) -> None:
        if self.server is not None:
            self.server.close()
        for _ in range(MOST_LOOKS):  # a connection that was taken just now becomes one, unless TLS is refused
            await asyncio.sleep(LOOK_SECONDS)
            if all(made.session is not None for made in self._made):
                break
        for made in self._made:
            if isinstance(made.transport, asyncio.Transport):
                made.transport.abort()
        await asyncio.sleep(0)


@contextmanager
def serving(mailbox: Mailbox, **options: Any) -> Iterator[Controller]:
    """A server that hands what it takes to `mailbox`, while the context lasts."""
    port = free_port()  # the controller connects to its own port to see that it works: it must know it
    controller = Closing(
        mailbox, hostname="127.0.0.1", port=port, authenticator=check, auth_require_tls=False, **options
    )
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()
