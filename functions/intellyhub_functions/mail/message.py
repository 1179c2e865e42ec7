"""Makes the message: addresses, headers, text and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.mail.attachments import attach

__all__ = ["addresses", "make_message"]

OWN_HEADERS = frozenset(("bcc", "cc", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"))
"""Those that parameters of their own make."""


def make_message(parameters: Mapping[str, Any], step: Step, username: str) -> EmailMessage:
    """The message; text, HTML or both. Its id holds the step's key, by which a repetition can be told.

    Raises PermanentError for what no mail can carry.
    """
    sender = text_of(parameters.get("from") or step.scope.get("SMTP_FROM") or username).strip()
    to = addresses(parameters.get("to") or step.scope.get("SMTP_TO") or sender)
    if not sender or not to:
        raise PermanentError("the mail has no sender or no recipient; set from and to, or SMTP_FROM and SMTP_TO")
    message = EmailMessage()
    try:
        message["From"] = sender
        message["To"] = ", ".join(to)
        if parameters.get("cc"):
            message["Cc"] = ", ".join(addresses(parameters["cc"]))
        if parameters.get("reply_to"):
            message["Reply-To"] = text_of(parameters["reply_to"])
        message["Subject"] = " ".join(text_of(parameters.get("subject")).split())
        set_headers(message, parameters.get("headers"))
    except (ValueError, IndexError) as fault:  # a line end in a header: an attempt to smuggle in another one
        raise PermanentError(f"an address or header of the mail cannot be used: {fault}") from fault
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(step.idempotency_key.replace("/", "."), sender.rpartition("@")[2].strip("> "))
    set_content(message, parameters)
    attach(message, parameters.get("attachments"), step.workspace)
    return message


def set_headers(message: EmailMessage, given: Any) -> None:
    """The headers that `headers` adds: `In-Reply-To`, `References`, `List-Unsubscribe` and the like."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise PermanentError("headers are a mapping of names to texts")
    for name, value in given.items():
        if text_of(name).lower() in OWN_HEADERS:
            raise PermanentError(f"the header {text_of(name)!r} has a parameter of its own, or none")
        message[text_of(name)] = text_of(value)


def set_content(message: EmailMessage, parameters: Mapping[str, Any]) -> None:
    """The body as text; `html` as the alternative that is preferred."""
    html = parameters.get("html")
    if isinstance(html, bool):  # `html: true` says that the body is HTML
        parameters, html = ({**parameters, "body": None}, parameters.get("body")) if html else (parameters, None)
    if html and parameters.get("body") is None:
        message.set_content(text_of(html), subtype="html")
        return
    message.set_content(text_of(parameters.get("body")))
    if html:
        message.add_alternative(text_of(html), subtype="html")


def addresses(written: Any) -> list[str]:
    """Addresses given as a list, or as text with commas or semicolons."""
    if isinstance(written, Sequence) and not isinstance(written, str):
        return [text_of(address).strip() for address in written]
    return [address.strip() for address in text_of(written).replace(";", ",").split(",") if address.strip()]
