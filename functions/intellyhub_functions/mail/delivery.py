"""Hands a message to a mail server (SMTP, RFC 5321). SMTP's errors are translated here and nowhere else."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from email.message import EmailMessage

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.mail.account import Account
from intellyhub_functions.network.patience import Stopped, finish
from intellyhub_functions.network.tcp import connect

__all__ = ["deliver"]

Refused = Mapping[str, tuple[int, bytes]]
"""Recipients that the server refused, and its answers."""


def deliver(account: Account, message: EmailMessage, recipients: Sequence[str], cancelled: threading.Event) -> Refused:
    """Hand the message over; the recipients that were refused while others were taken."""
    delivery = Delivery(account)
    try:
        return finish(
            lambda: delivery.run(message, recipients, cancelled),
            abandon=delivery.abandon,
            stopping=cancelled,
            seconds=account.timeout_seconds,
        )
    except Stopped as fault:
        raise StepCancelled("the run was cancelled") from fault
    except smtplib.SMTPAuthenticationError as fault:
        raise PermanentError(f"{account.name} refuses the user {account.username!r}: {fault.smtp_code}") from fault
    except smtplib.SMTPRecipientsRefused as fault:
        raise refused_by(account.name, dict(fault.recipients)) from fault
    except smtplib.SMTPResponseException as fault:
        kind = RetryableError if 400 <= fault.smtp_code < 500 or fault.smtp_code < 0 else PermanentError
        raise kind(f"{account.name} answers {fault.smtp_code}: {text_of(fault.smtp_error)}") from fault
    except smtplib.SMTPNotSupportedError as fault:
        raise PermanentError(f"{account.name}: {fault}") from fault
    except ssl.SSLError as fault:
        raise PermanentError(f"{account.name}: the secure connection failed: {fault.reason}") from fault
    except UnicodeError as fault:
        raise PermanentError(f"{account.name}: user name and password must be plain ASCII") from fault
    except (smtplib.SMTPException, OSError) as fault:
        raise RetryableError(f"{account.name} cannot be used: {fault}") from fault


def refused_by(name: str, refused: Refused) -> PermanentError | RetryableError:
    """The failure when no recipient was taken; it may pass when every refusal may."""
    told = "; ".join(f"{who}: {code} {text_of(why)}" for who, (code, why) in refused.items())
    passing = all(400 <= code < 500 for code, _ in refused.values())
    return (RetryableError if passing else PermanentError)(f"{name} refuses every recipient: {told}")


class Delivery:
    """One connection and one message. `abandon` may be called from another thread."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._connection: smtplib.SMTP | None = None
        self._abandoned = False

    def run(self, message: EmailMessage, recipients: Sequence[str], cancelled: threading.Event) -> Refused:
        """Connect, log in, hand over. What happens after the server has taken the message is no failure."""
        self._connection = (GuardedSecure if self._account.encryption == "tls" else Guarded)(self._account)
        try:
            self._open(self._connection)
            self._log_in(self._connection, cancelled)
            refused = self._connection.send_message(message, to_addrs=list(recipients))
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._connection.quit()
            return refused
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """End the connection, whatever it waits for."""
        self._abandoned = True
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)

    def _open(self, connection: smtplib.SMTP) -> None:
        account = self._account
        code, reply = connection.connect(account.server, account.port)
        if self._abandoned:  # while there was nothing to close yet
            raise Stopped
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)
        connection.ehlo()
        offered = account.encryption == "starttls" and connection.has_extn("starttls")
        if account.encryption == "required" or offered:
            connection.starttls(context=account.tls)

    def _log_in(self, connection: smtplib.SMTP, cancelled: threading.Event) -> None:
        account = self._account
        if account.tokens is not None:
            connection.ehlo_or_helo_if_needed()
            account.tokens.show(
                lambda token: connection.auth("XOAUTH2", lambda challenge=None: self._answer(challenge, token)),
                account.keeping,
                refuses=lambda fault: isinstance(fault, smtplib.SMTPAuthenticationError),
                cancelled=cancelled,
            )
        elif account.username and account.password:
            connection.login(account.username, account.password)

    def _answer(self, challenge: bytes | None, token: str) -> str:
        """What is said to a challenge: the token first; nothing to the server's reasons for refusing it."""
        return "" if challenge else f"user={self._account.username}\x01auth=Bearer {token}\x01\x01"


class Guarded(smtplib.SMTP):
    """Connects to allowed addresses only."""

    def __init__(self, account: Account) -> None:
        super().__init__(timeout=account.timeout_seconds)
        self._tls = account.tls
        self._host = account.server  # what the certificate must say; smtplib notes it only where it connects at once

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return connect(host, port, timeout)


class GuardedSecure(Guarded):
    """The same, encrypted from the start."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._tls.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=self._host)
