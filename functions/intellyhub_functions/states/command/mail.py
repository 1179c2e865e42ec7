"""The `email` kind: sends one message over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from typing import Any

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step

__all__ = ["send_mail"]

DEFAULT_TIMEOUT_SECONDS = 30.0
TRUE_TEXTS = ("1", "true", "yes", "on")


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The server that mail is handed to."""

    server: str
    port: int
    username: str
    password: str
    encryption: str
    """`tls` from the start, `starttls` where the server offers it, `required` STARTTLS, `none`."""
    timeout_seconds: float

    def __repr__(self) -> str:
        return f"Account({self.username}@{self.server}:{self.port})"


def send_mail(parameters: Mapping[str, Any], step: Step) -> Record:
    """Send; gives `{success, message_id, to, subject}`."""
    account = find_account(parameters, step)
    message = make_message(parameters, step, account)
    recipients = [address for _, address in getaddresses(message.get_all("to", []) + message.get_all("cc", []))]
    recipients += [address for _, address in getaddresses(addresses(parameters.get("bcc")))]
    refused = hand_over(account, message, recipients)
    for address, (code, reason) in refused.items():
        step.log("warning", f"{address} was refused: {code} {reason.decode('utf-8', 'replace')}")
    return Record(success=True, message_id=message["message-id"], to=recipients, subject=message["subject"])


def find_account(parameters: Mapping[str, Any], step: Step) -> Account:
    """The state's server, else that of SMTP_SERVER, SMTP_PORT, SMTP_USER, SMTP_PASSWORD (or their MAIL_ spellings)."""

    def setting(key: str, *names: str) -> str:
        found = (parameters.get(key), *(step.scope.get(name) for name in names))
        return text_of(next((value for value in found if value not in (None, "")), None)).strip()

    server = setting("server", "SMTP_SERVER", "SMTP_HOST", "MAIL_SERVER")
    if not server:
        raise PermanentError("no mail server is known; set the variable SMTP_SERVER")
    port = setting("port", "SMTP_PORT", "MAIL_PORT") or "587"
    if not port.isdigit():
        raise PermanentError(f"the mail server's port is {port!r}, not a number")
    return Account(
        server=server,
        port=int(port),
        username=setting("username", "SMTP_USER", "SMTP_USERNAME", "MAIL_USERNAME"),
        password=setting("password", "SMTP_PASSWORD", "MAIL_PASSWORD"),
        encryption=find_encryption(setting("tls", "SMTP_TLS", "MAIL_USE_TLS").lower(), int(port)),
        timeout_seconds=step.timeout_seconds or DEFAULT_TIMEOUT_SECONDS,
    )


def find_encryption(written: str, port: int) -> str:
    """What `tls` says: nothing means TLS on port 465 and STARTTLS where offered on every other."""
    if port == 465 or written in ("tls", "ssl"):
        return "tls"
    if written in (*TRUE_TEXTS, "starttls", "required"):
        return "required"
    return "none" if written in ("0", "false", "no", "off", "none") else "starttls"


def make_message(parameters: Mapping[str, Any], step: Step, account: Account) -> EmailMessage:
    """The message; text, HTML or both. Its id holds the step's key, by which a repetition can be told."""
    sender = text_of(parameters.get("from") or step.scope.get("SMTP_FROM") or account.username).strip()
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
    except (ValueError, IndexError) as fault:  # a line end in a header: an attempt to smuggle in another one
        raise PermanentError(f"an address of the mail cannot be used: {fault}") from fault
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(step.idempotency_key.replace("/", "."), sender.rpartition("@")[2].strip("> "))
    set_content(message, parameters)
    return message


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


def hand_over(account: Account, message: EmailMessage, recipients: Sequence[str]) -> Mapping[str, tuple[int, bytes]]:
    """Hand the message to the server; the recipients it refused while it took others. SMTP's errors end here."""
    name = f"the mail server {account.server}:{account.port}"
    try:
        with connect(account) as connection:
            if account.username and account.password:
                connection.login(account.username, account.password)
            return connection.send_message(message, to_addrs=list(recipients))
    except smtplib.SMTPAuthenticationError as fault:
        raise PermanentError(f"{name} refuses the user {account.username!r}: {fault.smtp_code}") from fault
    except smtplib.SMTPRecipientsRefused as fault:
        raise refused_by(name, dict(fault.recipients)) from fault
    except smtplib.SMTPResponseException as fault:
        kind = RetryableError if 400 <= fault.smtp_code < 500 or fault.smtp_code < 0 else PermanentError
        raise kind(f"{name} answers {fault.smtp_code}: {text_of(fault.smtp_error)}") from fault
    except smtplib.SMTPNotSupportedError as fault:
        raise PermanentError(f"{name}: {fault}") from fault
    except ssl.SSLError as fault:
        raise PermanentError(f"{name}: the secure connection failed: {fault.reason}") from fault
    except (smtplib.SMTPException, OSError) as fault:
        raise RetryableError(f"{name} cannot be used: {fault}") from fault


def refused_by(name: str, refused: Mapping[str, tuple[int, bytes]]) -> PermanentError | RetryableError:
    """The failure when no recipient was taken; it may pass when every refusal may."""
    told = "; ".join(f"{who}: {code} {text_of(why)}" for who, (code, why) in refused.items())
    passing = all(400 <= code < 500 for code, _ in refused.values())
    return (RetryableError if passing else PermanentError)(f"{name} refuses every recipient: {told}")


def connect(account: Account) -> smtplib.SMTP:
    """A connection, encrypted as the account asks; certificates are verified."""
    if account.encryption == "tls":
        return smtplib.SMTP_SSL(
            account.server, account.port, timeout=account.timeout_seconds, context=ssl.create_default_context()
        )
    connection = smtplib.SMTP(account.server, account.port, timeout=account.timeout_seconds)
    try:
        connection.ehlo()
        if account.encryption == "required" or (account.encryption == "starttls" and connection.has_extn("starttls")):
            connection.starttls(context=ssl.create_default_context())
    except BaseException:
        connection.close()
        raise
    return connection
