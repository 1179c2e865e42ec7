"""Who is called: the recipients that flows write, as ElevenLabs' API takes them.

https://elevenlabs.io/docs/api-reference/batch-calling/create. What is known of a person becomes dynamic variables,
which the agent's prompt names as `{{name}}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["make_recipients"]

OWN = ("id", "phone_number", "whatsapp_user_id", "conversation_initiation_client_data")
"""What the API itself knows of a recipient."""
GROUPS = ("contact_info", "preferences", "metadata", "custom_fields")
"""What published flows group a person's fields by; the groups' own names say nothing."""
MAX_RECIPIENTS = 10_000


def make_recipients(written: Any) -> list[dict[str, Any]]:
    """The recipients of a list, or of a JSON text that holds one. Raises PermanentError naming the first that cannot be
    called."""
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except (ValueError, RecursionError) as fault:
            raise PermanentError("recipients is a text that is not JSON; it must be a list of objects") from fault
    if not isinstance(written, list) or not written:
        raise PermanentError("recipients must be a list of at least one object, each with a phone_number")
    if len(written) > MAX_RECIPIENTS:
        raise PermanentError(f"there are {len(written)} recipients; one batch calls at most {MAX_RECIPIENTS}")
    return [make_recipient(person, number) for number, person in enumerate(written, 1)]


def make_recipient(written: Any, number: int) -> dict[str, Any]:
    """One recipient; a bare text is a phone number."""
    person: Any = {"phone_number": written} if isinstance(written, str | int) else written
    if not isinstance(person, Mapping):
        raise PermanentError(f"recipient {number} is not an object")
    if not person.get("phone_number") and not person.get("whatsapp_user_id"):
        raise PermanentError(f"recipient {number} has no phone_number")
    recipient = {name: person[name] for name in OWN if person.get(name) is not None}
    if "phone_number" in recipient:
        recipient["phone_number"] = text_of(recipient["phone_number"]).strip()
    variables = flatten({name: value for name, value in person.items() if name not in OWN})
    if variables:
        given = recipient.get("conversation_initiation_client_data") or {}
        kept = {**variables, **(given.get("dynamic_variables") or {})}
        recipient["conversation_initiation_client_data"] = {**given, "dynamic_variables": kept}
    return recipient


def flatten(fields: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """All fields at one level, as dynamic variables must be: lists of texts joined, deeper objects as JSON."""
    found: dict[str, str | int | float | bool] = {}
    for name, value in fields.items():
        if name in GROUPS and isinstance(value, Mapping):
            found |= flatten(value)
        elif isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
            found[name] = ", ".join(map(text_of, value))
        elif isinstance(value, str | int | float):
            found[name] = value
        elif value is not None:
            found[name] = json.dumps(value, ensure_ascii=False, default=text_of)
    return found
