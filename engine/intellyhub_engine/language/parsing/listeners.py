"""The listener block, and listeners placed in the graph as states (FLOW_LANGUAGE §5.1-5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from intellyhub_engine.catalogue.control import LISTENER_STATE
from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.catalogue.names import fold_source
from intellyhub_engine.language.model import Listener
from intellyhub_engine.language.parsing.bodies import COMMON_KEYS, Body
from intellyhub_engine.language.parsing.findings import Findings
from intellyhub_engine.language.parsing.places import Place
from intellyhub_engine.language.problems import ProblemCode
from intellyhub_engine.language.spelling import find_source_type

__all__ = ["LISTENER_PLACE", "TYPE_KEY", "Donation", "normalise_listener_state", "read_listener"]

LISTENER_PLACE = "listener:"
"""The key of the listener in the table of places, which no state can have."""
TYPE_KEY = "type"
"""Under which the place of its type stands there, however it is written."""


@dataclass(frozen=True, slots=True)
class Donation:
    """What a listener state gives to the flow's listener."""

    type: str
    values: dict[str, Any]
    places: dict[str, Place]
    output: str | None


def normalise_listener_state(body: Body) -> None:
    """The state's own keys become the listener's; `output`, `log` and transitions stay."""
    source = find_source_type(body.type, body.builder.catalogue)
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for written in [key for key in body.left if key not in COMMON_KEYS or key == "timeout"]:
        key = body.left.pop(written)
        name = canonical_parameter(source, written)
        values[name] = body.source[key]
        places[name] = body.source, key
    kind = source.type if source else fold_source(body.type)
    output = body.source.get("output")
    output = output if isinstance(output, str) else None
    body.builder.donations.append(Donation(kind, values, places, output))
    body.type = LISTENER_STATE
    body.spec = body.builder.spec(LISTENER_STATE)
    body.parameters["listener"] = kind


def canonical_parameter(source: SourceType | None, written: str) -> str:
    if source is None or written in source.parameters:
        return written
    return next((p.name for p in source.parameters.values() if written in p.aliases), written)


def read_listener(
    root: dict[Any, Any], donations: list[Donation], findings: Findings, catalogue: Catalogue
) -> tuple[Listener | None, dict[str, Place]]:
    """The flow's listener with what its states donate; the block's own values win."""
    written = _block(root, findings)
    if written is None:
        return (_from_donation(donations[0], findings, root), donations[0].places) if donations else (None, {})
    type_key = next((key for key in ("listener_type", TYPE_KEY) if written.get(key) is not None), None)
    kind = _kind(written, type_key, root, findings)
    if kind is None:
        return None, {}
    source = find_source_type(kind, catalogue)
    name = source.type if source else fold_source(kind)
    gift = next((each for each in donations if each.type == name), None)
    parameters: dict[str, Any] = dict(gift.values) if gift else {}
    places: dict[str, Place] = dict(gift.places) if gift else {}
    places[TYPE_KEY] = (written, type_key) if written is root["listener"] else (root, "listener")
    for key in written:
        if key in ("type", "listener_type", "output"):
            continue
        parameter = canonical_parameter(source, findings.document.key_text(written, key))
        parameters[parameter] = written[key]
        places[parameter] = written, key
    output = findings.text(written, "output", "the listener's 'output'") if written.get("output") is not None else None
    return (
        Listener(
            type=name,
            parameters=parameters,
            output=output or (gift.output if gift else None),
            position=findings.document.key_position(root, "listener"),
        ),
        places,
    )


def _from_donation(gift: Donation, findings: Findings, root: dict[Any, Any]) -> Listener:
    return Listener(
        type=gift.type,
        parameters=gift.values,
        output=gift.output,
        position=findings.document.position_of(root, "states"),
    )


def _block(root: dict[Any, Any], findings: Findings) -> dict[Any, Any] | None:
    value = root.get("listener")
    if isinstance(value, str):
        return {"type": value}
    return findings.mapping(root, "listener", "'listener'") if value is not None else None


def _kind(written: dict[Any, Any], key: str | None, root: dict[Any, Any], findings: Findings) -> str | None:
    """`listener_type` wins over `type` where both stand."""
    if key is None:
        findings.error(
            ProblemCode.MISSING_LISTENER_TYPE,
            "the listener has no type",
            findings.document.position_of(root, "listener"),
            expected="`type`, such as rss, telegram, webhook, email, mqtt, directory",
        )
        return None
    return findings.text(written, key, "the listener's type")
