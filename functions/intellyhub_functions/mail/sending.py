"""Sends one message over SMTP: what the `email` state does, and the `email` kind of a command."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import getaddresses
from typing import Any

from intellyhub_engine.language.values.values import Record
from intellyhub_engine.machine.step import Step
from intellyhub_functions.mail.account import find_account
from intellyhub_functions.mail.delivery import deliver
from intellyhub_functions.mail.message import addresses, make_message

__all__ = ["send_mail"]


def send_mail(parameters: Mapping[str, Any], step: Step) -> Record:
    """Send; gives `{success, message_id, to, subject, refused}`. Raises RetryableError where another try may help."""
    account = find_account(parameters, step)
    message = make_message(parameters, step, account.username)
    recipients = [address for _, address in getaddresses(message.get_all("to", []) + message.get_all("cc", []))]
    recipients += [address for _, address in getaddresses(addresses(parameters.get("bcc")))]
    refused = deliver(account, message, recipients, step.cancelled)
    told = {address: f"{code} {reason.decode('utf-8', 'replace')}" for address, (code, reason) in refused.items()}
    for address, answer in told.items():
        step.log("warning", f"{address} was refused: {answer}")
    return Record(
        success=True, message_id=message["message-id"], to=recipients, subject=message["subject"], refused=told
    )
