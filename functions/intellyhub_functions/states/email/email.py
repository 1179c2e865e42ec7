"""The `email` state: sends one message over SMTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.machine.step import Step
from intellyhub_functions.mail.sending import send_mail

__all__ = ["perform"]


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Send; gives `{success, message_id, to, subject, refused}`."""
    return send_mail(parameters, step)
