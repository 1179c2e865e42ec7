"""`microservices.yaml`: the registry of services as a file (FLOW_LANGUAGE.md section 12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from intellyhub_engine.errors import InputInvalid

__all__ = ["read_registry", "write_registry"]

VERSION = "1.0"
KEY = "microservices"
MOST = 200
MOST_CHARACTERS = 1_000_000
KEYS = ("id", "name", "description", "type", "location", "config", "connection", "tags", "cost_estimate")
OLDER = {"service_type": "type", "connection_info": "connection", "estimated_cost": "cost_estimate"}


def read_registry(text: str) -> list[dict[str, Any]]:
    """Its services, each with the keys of `KEYS` that it has. Raises `InputInvalid` with every fault."""
    if len(text) > MOST_CHARACTERS:
        raise InputInvalid(f"the file has more than {MOST_CHARACTERS} characters")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise InputInvalid(f"the file is no YAML: {fault}") from fault
    except RecursionError:
        raise InputInvalid("the file is nested too deeply") from None
    entries = document.get(KEY) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise InputInvalid(f"the file has no list `{KEY}:`")
    if len(entries) > MOST:
        raise InputInvalid(f"the file lists more than {MOST} services")
    faults: list[str] = []
    services = [read_entry(place, entry, faults) for place, entry in enumerate(entries, 1)]
    if faults:
        raise InputInvalid("; ".join(faults))
    return services


def read_entry(place: int, entry: Any, faults: list[str]) -> dict[str, Any]:
    """One service."""
    if not isinstance(entry, dict):
        faults.append(f"service {place} is no mapping")
        return {}
    known = {OLDER.get(str(key), str(key)): value for key, value in entry.items()}
    name = known.get("id") or known.get("name") or f"service {place}"
    faults += [f"{name}: `{key}` is missing" for key in ("id", "type") if not known.get(key)]
    faults += [f"{name}: `{key}` is not known" for key in sorted(known.keys() - set(KEYS))]
    return {key: known[key] for key in KEYS if known.get(key) is not None}


def write_registry(services: Iterable[Mapping[str, Any]]) -> str:
    """The file's text; what is empty is left out."""
    entries = [{key: service[key] for key in KEYS if service.get(key)} for service in services]
    return yaml.safe_dump(
        {"version": VERSION, KEY: entries}, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120
    )
