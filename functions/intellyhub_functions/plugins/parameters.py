"""The parameters that a published manifest documents, in any of its shapes, as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Parameter
from intellyhub_functions.plugins.docstrings import sentence

__all__ = ["make_parameters", "read_parameters", "texts"]

SPELLINGS = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "map": "object",
}
TYPES = frozenset(("string", "integer", "number", "boolean", "array", "object"))
ENGINES = frozenset(
    (
        "state_type",
        "type",
        "listener_type",
        "transition",
        "success_transition",
        "error_transition",
        "warning_transition",
        "output",
        "log",
    )
)
"""Keys that the engine itself reads; manifests document some of them as parameters."""
SECRET_WORDS = ("api_key", "apikey", "token", "password", "secret", "credentials")
MAX_SHOWN = 200


def read_parameters(document: Mapping[str, Any], kind: str | None = None) -> dict[str, dict[str, Any]]:
    """Name -> what is said of it. `kind`: the state whose part of a `config_schema` is meant."""
    documentation = document.get("documentation")
    if isinstance(documentation, dict) and isinstance(documentation.get("parameters"), dict):
        return bodies(documentation["parameters"])
    written = document.get("parameters")
    if (
        isinstance(written, dict)
        and {"required", "optional"} & set(written)
        and all(isinstance(v, list) for v in written.values())
    ):
        return {name: body for key in ("required", "optional") for name, body in listed(written.get(key), key)}
    for key in ("parameters", "configuration"):
        if isinstance(document.get(key), dict):
            return bodies(document[key])
    return of_schema(document.get("config_schema"), kind)


def bodies(mapping: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """Each body as a mapping; a bare text is a description."""
    return {
        str(name): dict(body) if isinstance(body, dict) else {"description": str(body)}
        for name, body in mapping.items()
    }


def listed(entries: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The oldest shape: lists of names, or of mappings with one."""
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            yield entry, {"required": key == "required"}
        elif isinstance(entry, dict) and isinstance(entry.get("name"), str):
            yield entry["name"], {**entry, "required": key == "required"}


def of_schema(schema: Any, kind: str | None) -> dict[str, dict[str, Any]]:
    """A JSON Schema, or one for each state."""
    if not isinstance(schema, dict):
        return {}
    inner = schema.get(kind, schema) if kind else schema
    properties = inner.get("properties") if isinstance(inner, dict) else None
    if not isinstance(properties, dict):
        return {}
    required = inner.get("required")
    wanted = required if isinstance(required, list) else []
    return {name: {**body, "required": name in wanted} for name, body in bodies(properties).items()}


def make_parameters(documented: Mapping[str, Mapping[str, Any]], *, native: bool) -> dict[str, Parameter]:
    """As the engine has them.

    A native plugin's are exact: they are its signature. A published manifest is documentation that the code was never
    held to: its defaults, choices, limits and what it calls required are told, and left to the code.
    """
    names = [name for name in documented if native or name not in ENGINES]
    return {name: make_parameter(name, documented[name], native=native) for name in names}


def make_parameter(name: str, body: Mapping[str, Any], *, native: bool) -> Parameter:
    types = types_of(body.get("type"))
    description = sentence(str(body.get("description") or name.replace("_", " ").capitalize()).strip())
    if not native:
        return Parameter(
            name=name,
            types=types,
            aliases=texts(body.get("aliases")),
            secret=sounds_secret(name, body),
            description=" ".join([description, *facts(body)]),
        )
    return Parameter(
        name=name,
        types=types,
        required=bool(body.get("required")),
        default=body.get("default"),
        enum=tuple(body.get("enum", ())),
        aliases=texts(body.get("aliases")),
        minimum=number(body.get("minimum")),
        maximum=number(body.get("maximum")),
        secret=bool(body.get("secret")),
        description=description,
    )


def types_of(written: Any) -> tuple[str, ...]:
    """`array|string`, `["string", "null"]`, `float`; what nobody knows is any value."""
    parts = written if isinstance(written, list) else str(written or "any").replace(",", "|").split("|")
    names = [SPELLINGS.get(str(part).strip().lower(), str(part).strip().lower()) for part in parts]
    known = [name for name in names if name != "null"]
    return tuple(dict.fromkeys(known)) if known and TYPES.issuperset(known) else ("any",)


def facts(body: Mapping[str, Any]) -> Iterator[str]:
    """What a published manifest says beside, in words."""
    choices = body.get("enum", body.get("options"))
    if isinstance(choices, list) and choices:
        yield f"One of {', '.join(str(choice) for choice in choices)[:MAX_SHOWN]}."
    if body.get("default") is not None:
        yield f"Default: {str(body['default'])[:MAX_SHOWN]}."
    if body.get("required") is True:
        yield "Required."


def sounds_secret(name: str, body: Mapping[str, Any]) -> bool:
    """By the manifest, else by the name: `api_key`, `bot_token`."""
    said = body.get("secret", body.get("sensitive"))
    text = types_of(body.get("type")) in (("string",), ("any",))
    return said if isinstance(said, bool) else text and any(name.lower().endswith(word) for word in SECRET_WORDS)


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list; none of anything else."""
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list | tuple) else ()


def number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
