"""The `email` source: one event for every new message of an IMAP folder, told by the server (IDLE) or looked for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.network.patience import Stopped
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.email.account import find_account
from intellyhub_functions.sources.email.files import describe
from intellyhub_functions.sources.email.filters import accepts, read_filter
from intellyhub_functions.sources.email.folder import Folder, Head, Unreadable
from intellyhub_functions.sources.email.message import address_of, read_headers, read_letter
from intellyhub_functions.sources.email.place import MAX_KNOWN, Place, first_place, read_place, renumbered

if TYPE_CHECKING:
    from intellyhub_functions.sources.email.mailbox import Mailbox

__all__ = ["listen"]

EVENT_TYPE = "io.intellyhub.email.message"
MAX_MESSAGE_BYTES = 25 * 1024 * 1024
"""Of a larger message, which few servers take, the beginning is read: the text, not every file."""
HEADS_AT_ONCE = 50
MAX_TRIES = 3
"""A message that the server does not give so many times is passed by: the others wait behind it."""
LONG_SECONDS = 300.0
"""Nobody holds a connection open over so long a pause."""
MAX_BACKOFF_SECONDS = 300.0
REST_SECONDS = 0.2
"""From one look to the next, at least, whatever the server has to tell."""


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """The place is the last message's UID; it is kept after the message's event is stored."""
    inbox = Inbox(parameters, context)
    backoff = Backoff(context, most_seconds=MAX_BACKOFF_SECONDS)
    while not context.stopping.is_set():
        try:
            yield from inbox.session(backoff)
        except Stopped:
            return
        except RetryableError as failure:
            if backoff.fail(failure, "the email listener"):
                return


class Inbox:
    """One folder that is listened to, over however many sessions."""

    def __init__(self, parameters: Mapping[str, Any], context: SourceContext) -> None:
        self._parameters = parameters
        self._context = context
        self._account = find_account(parameters, context)
        self._filter = read_filter(parameters.get("filter"))
        self._folder = text_of(parameters.get("folder") or "INBOX")
        account = self._account
        named = f"{account.server} {account.port} {account.username} {self._folder}"
        self._digest = hashlib.sha256(named.encode()).hexdigest()[:12]
        self._key = f"email {self._folder} {self._digest}"
        self._tries: dict[int, int] = {}

    def session(self, backoff: Backoff) -> Iterator[Event]:
        """Log in and listen; ends to begin anew after a long pause."""
        interval = float(self._parameters.get("polling_interval", 30))
        mailbox = self._make_mailbox()
        try:
            place = self._find_place(mailbox.open(), mailbox)
            told = bool(self._parameters.get("idle", True)) and mailbox.can_wait()
            while True:
                looked_at = time.monotonic()
                yield from self._look(place, mailbox)
                backoff.succeed()
                if told:
                    mailbox.wait(float(self._parameters.get("keepalive", 240)))
                elif interval > LONG_SECONDS:
                    break
                elif self._context.sleep(interval):
                    return
                if self._context.sleep(max(looked_at + REST_SECONDS - time.monotonic(), 0.0)):
                    return
        finally:
            mailbox.close()
        self._context.sleep(interval)

    def _make_mailbox(self) -> Mailbox:
        try:
            from intellyhub_functions.sources.email.mailbox import Mailbox
        except ModuleNotFoundError as fault:
            raise PermanentError("the email listener needs the extra `mail` of intellyhub-functions") from fault
        read_only = not self._parameters.get("mark_seen", True)
        return Mailbox(self._account, self._folder, self._context.stopping, read_only=read_only)

    def _find_place(self, folder: Folder, mailbox: Mailbox) -> Place:
        """Where the last session ended; where to begin, in a folder that is new or has been renumbered."""
        kept = self._context.cursors.get(self._key)
        if kept is None:
            place = first_place(folder, existing=bool(self._parameters.get("emit_existing")))
            last = folder.next_uid - 1
            latest = mailbox.find(max(last - MAX_KNOWN, 1), last) if last else []
            for head in mailbox.look_at(latest[-HEADS_AT_ONCE:]):
                place.note(head)
        else:
            known = read_place(kept)
            again = renumbered(known, folder)
            if again is None:
                return known
            self._context.log("warning", "the server numbers its messages anew; those that are known are left out")
            place = again
        self._keep(place)
        return place

    def _look(self, place: Place, mailbox: Mailbox) -> Iterator[Event]:
        """Every message that has not been looked at."""
        if place.uid < place.until:
            yield from self._take(mailbox.find(place.uid + 1, place.until, *place.criteria()), place, mailbox)
            place.uid = place.until
            self._keep(place)
        yield from self._take(mailbox.find(place.uid + 1, None), place, mailbox)

    def _take(self, uids: list[int], place: Place, mailbox: Mailbox) -> Iterator[Event]:
        """The events of these messages, in order. The place moves after each."""
        for begin in range(0, len(uids), HEADS_AT_ONCE):
            for head in mailbox.look_at(uids[begin : begin + HEADS_AT_ONCE]):
                news = place.is_news(head) and accepts(self._filter, read_headers(head.header))
                event = self._make_event(head, place, mailbox) if news else None
                if event is not None:
                    yield event
                place.pass_by(head)
                if event is not None:
                    self._keep(place)
                    self._mark_seen(head, mailbox)
            if uids[begin:]:
                self._keep(place)

    def _make_event(self, head: Head, place: Place, mailbox: Mailbox) -> Event | None:
        """The event of a message; None where it is gone, or cannot be read however often it is tried."""
        try:
            raw = mailbox.fetch(head.uid, MAX_MESSAGE_BYTES)
        except Unreadable as fault:
            self._tries[head.uid] = self._tries.get(head.uid, 0) + 1
            if self._tries[head.uid] < MAX_TRIES:
                raise
            self._context.log("error", f"the message {head.uid} is passed by, the server does not give it: {fault}")
            return None
        if raw is None:
            return None
        try:
            return make_event(raw, head, place, self._digest, self._parameters, self._context)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as fault:
            # the standard library's parser has raised each of these on messages that are none
            self._context.log("error", f"the message {head.uid} is passed by, it cannot be read: {fault!r}")
            return None

    def _mark_seen(self, head: Head, mailbox: Mailbox) -> None:
        try:
            mailbox.mark_seen(head.uid)
        except Unreadable as fault:
            self._context.log("warning", f"the message {head.uid} cannot be marked as seen: {fault}")

    def _keep(self, place: Place) -> None:
        self._context.cursors.put(self._key, place.written())


def make_event(
    raw: bytes, head: Head, place: Place, digest: str, parameters: Mapping[str, Any], context: SourceContext
) -> Event:
    """The event of a message; its id is that of the message in its folder."""
    letter = read_letter(raw)
    headers = letter.headers
    number = f"{place.validity}-{head.uid}"
    truncated = head.size > len(raw) >= MAX_MESSAGE_BYTES
    if truncated:
        context.log("warning", f"the message {head.uid} has {head.size} bytes; its beginning is read")
    return Event(
        id=f"{digest}-{number}",
        source=context.address,
        type=EVENT_TYPE,
        subject=headers["subject"][:200] or None,
        time=head.arrived.isoformat(),
        datacontenttype="application/json",
        data={
            "from": headers["from"],
            "sender": headers["from"],
            "from_address": address_of(headers["from"]),
            "to": headers["to"],
            "cc": headers["cc"],
            "reply_to": headers["reply-to"],
            "subject": headers["subject"],
            "body": letter.text,
            "content": letter.text,
            "html": letter.html,
            "date": headers["date"],
            "uid": str(head.uid),
            "message_id": headers["message-id"],
            "in_reply_to": headers["in-reply-to"],
            "references": headers["references"],
            "folder": text_of(parameters.get("folder") or "INBOX"),
            "size": head.size,
            "truncated": truncated,
            "attachments": describe(letter.files, f"{digest}-{number}", parameters, context),
        },
    )
