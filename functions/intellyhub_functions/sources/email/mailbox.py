"""One session with an IMAP server (RFC 3501): log in, select, look, fetch, wait. IMAP's errors end here."""

from __future__ import annotations

import contextlib
import functools
import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from imapclient import IMAPClient
from imapclient.exceptions import CapabilityError, LoginError, ProtocolError

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.mail.account import Account
from intellyhub_functions.network.patience import Stopped, finish
from intellyhub_functions.sources.email.folder import Folder, Head, Unreadable
from intellyhub_functions.sources.email.wire import Client, Wire

__all__ = ["Mailbox"]

PASSING = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG|CONTACTADMIN|OVERQUOTA)\b", re.IGNORECASE)
"""Response codes of a refused login that says nothing against the password (RFC 5530)."""
PLAIN_NAME = re.compile(r"[\w.@+=/-]+", re.ASCII)
"""Names that the library sends as they are; others are shown as base64."""
TALK_BYTES = 64 * 1024 * 1024
"""For an answer that is no message."""
HEAD_ITEMS = ("INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID FROM TO CC SUBJECT)]")
LOOK_SECONDS = 0.5
LIVELY_FACTOR = 4
"""A command may take so many times as long as any single wait."""

Result = TypeVar("Result")


class Mailbox:
    """A session; used by one thread at a time. Everything raises RetryableError, PermanentError for what another try
    meets again, and Stopped."""

    def __init__(self, account: Account, folder: str, stopping: threading.Event, *, read_only: bool) -> None:
        self._account = account
        self._folder = folder
        self._read_only = read_only
        self._stopping = stopping
        self._socket: socket.socket | None = None
        self._closed = False
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._busy = False
        """Whether a thread works on the connection. It then closes it, nobody else: the system gives a descriptor that
        is closed to the next connection, and the thread would read what is meant for that."""

    def open(self) -> Folder:
        """Connect, log in and select the folder."""
        return self._do(self._open, most_bytes=TALK_BYTES)

    def close(self) -> None:
        """End the session; its end is not waited for."""
        with self._lock:
            self._closed = True
            if not self._busy:
                self._release()

    def find(self, first: int, last: int | None, *criteria: str | date) -> list[int]:
        """The UIDs from `first` to `last` (None: all from there on) of messages that fit, ascending."""

        def search(client: IMAPClient) -> list[int]:
            client.noop()  # a server need not tell of new messages before
            found = client.search(["UID", f"{first}:{last or '*'}", "UNDELETED", *criteria])
            return sorted(uid for uid in found if uid >= first)  # `*` is the last message, however low its UID

        return self._ask(search)

    def look_at(self, uids: Sequence[int]) -> list[Head]:
        """What those messages are, as far as they are still there."""

        def fetch(client: IMAPClient) -> list[Head]:
            found = client.fetch(uids, HEAD_ITEMS)
            return [make_head(uid, found[uid]) for uid in uids if uid in found]

        return self._ask(fetch)

    def fetch(self, uid: int, most_bytes: int) -> bytes | None:
        """The first bytes of a message, which is not marked as seen by that; None where it is gone."""

        def fetch(client: IMAPClient) -> bytes | None:
            entry = client.fetch([uid], [f"BODY.PEEK[]<0.{most_bytes}>"]).get(uid)
            return None if entry is None else part_of(entry, b"BODY[]")

        return self._ask(fetch, most_bytes=most_bytes + TALK_BYTES)

    def mark_seen(self, uid: int) -> None:
        """Set the flag that says that somebody has read it."""
        if not self._read_only:
            self._ask(lambda client: client.add_flags([uid], [rb"\Seen"], silent=True))

    def can_wait(self) -> bool:
        """Whether the server tells of new messages by itself (RFC 2177)."""
        return bool(self._ask(lambda client: client.has_capability("IDLE")))

    def wait(self, seconds: float) -> None:
        """Wait for the server to tell of a change, at most so long; that it is still there is known afterwards."""
        self._ask(lambda client: client.idle())
        assert self._client is not None
        wire, waited = self._client.wire, 0.0
        while waited < seconds and not wire.is_waiting(min(LOOK_SECONDS, seconds - waited)):
            waited += LOOK_SECONDS
            if self._stopping.is_set():
                raise Stopped
        self._ask(lambda client: client.idle_done())

    def _ask(self, call: Callable[[IMAPClient], Result], most_bytes: int = TALK_BYTES) -> Result:
        client = self._client
        assert client is not None
        return self._do(lambda: call(client), most_bytes=most_bytes)

    def _do(self, call: Callable[[], Result], *, most_bytes: int) -> Result:
        """Make the call; the library's errors are translated here and nowhere else."""
        name = self._account.name
        if self._client is not None:
            self._client.wire.allow(most_bytes)
        try:
            return finish(
                lambda: self._work(call),
                abandon=self._abandon,
                stopping=self._stopping,
                seconds=self._account.timeout_seconds * LIVELY_FACTOR,
            )
        except LoginError as fault:
            raise self._refused(fault) from fault
        except CapabilityError as fault:
            raise PermanentError(f"{name}: {fault}") from fault
        except imaplib.IMAP4.abort as fault:
            raise RetryableError(f"{name}: the connection broke: {fault}") from fault
        except ssl.SSLCertVerificationError as fault:  # it is a ValueError, too
            raise PermanentError(f"{name}: its certificate is not valid: {fault.verify_message}") from fault
        except OSError as fault:
            raise RetryableError(f"{name} cannot be used: {fault}") from fault
        except (imaplib.IMAP4.error, ProtocolError, ValueError, LookupError) as fault:
            raise Unreadable(f"{name}: {shortened(fault)}") from fault

    def _work(self, call: Callable[[], Result]) -> Result:
        """The call, in a thread of its own."""
        with self._lock:
            self._busy = True
        try:
            return call()
        finally:
            with self._lock:
                self._busy = False
                if self._closed:
                    self._release()

    def _release(self) -> None:
        """Take leave, which is not waited for, and close."""
        if self._client is not None:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                self._client.wire.send(b"bye LOGOUT\r\n")
            self._client.wire.shutdown()

    def _refused(self, fault: LoginError) -> PermanentError | RetryableError:
        """A login that failed: of the password, unless the server says otherwise or has gone."""
        passing = is_broken(fault) or PASSING.search(str(fault))
        kind = RetryableError if passing else PermanentError
        account = self._account
        return kind(f"{account.name} refuses the user {account.username!r}: {shortened(fault)}")

    def _open(self) -> Folder:
        account = self._account
        secure = account.encryption == "tls"
        make_wire = functools.partial(
            Wire,
            account.server,
            account.port,
            tls=account.tls if secure else None,
            seconds=account.timeout_seconds,
            opened=self._note_socket,
        )
        self._client = client = Client(
            make_wire, account.server, account.port, secure=secure, seconds=account.timeout_seconds
        )
        client.normalise_times = False
        client.wire.allow(TALK_BYTES)
        offered = account.encryption == "starttls" and client.has_capability("STARTTLS")
        if account.encryption == "required" or offered:
            client.starttls(account.tls)
        self._log_in(client)
        try:
            selected = client.select_folder(self._folder, readonly=self._read_only)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as fault:
            raise RetryableError(f"{account.name}: the folder {self._folder!r}: {shortened(fault)}") from fault
        return Folder(
            validity=int(selected.get(b"UIDVALIDITY", 0)),
            next_uid=int(selected.get(b"UIDNEXT") or max(client.search(["ALL"]), default=0) + 1),
        )

    def _log_in(self, client: Client) -> None:
        account = self._account
        if account.tokens is None:
            if PLAIN_NAME.fullmatch(account.username) and account.password.isascii():
                client.login(account.username, account.password)
            else:
                client.plain_login(account.username, account.password)
            return
        account.tokens.show(
            lambda token: client.oauth2_login(account.username, token),
            account.keeping,
            refuses=lambda fault: isinstance(fault, LoginError) and not is_broken(fault),
            cancelled=self._stopping,
        )

    def _note_socket(self, connection: socket.socket) -> None:
        self._socket = connection
        if self._closed:  # it was given up while it was opened
            self._abandon()

    def _abandon(self) -> None:
        """End whatever a thread waits for on the connection."""
        self._closed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def is_broken(fault: LoginError) -> bool:
    """Whether a login failed because the connection did."""
    return isinstance(fault.__context__, imaplib.IMAP4.abort)


def make_head(uid: int, entry: Mapping[bytes, Any]) -> Head:
    """A message's head out of the library's entry."""
    arrived = entry.get(b"INTERNALDATE")
    return Head(
        uid=uid,
        arrived=arrived.astimezone(UTC) if isinstance(arrived, datetime) else datetime.now(UTC),
        size=int(entry.get(b"RFC822.SIZE") or 0),
        header=part_of(entry, b"BODY[HEADER.FIELDS"),
    )


def part_of(entry: Mapping[bytes, Any], name: bytes) -> bytes:
    """The part whose name begins so: servers write what follows in several ways. Empty where the server has none."""
    return next((value for key, value in entry.items() if key.upper().startswith(name) and value), b"")


def shortened(fault: Exception) -> str:
    """What the library says of it, on a line of a length that a page can show."""
    return " ".join(str(fault).split())[:300]
