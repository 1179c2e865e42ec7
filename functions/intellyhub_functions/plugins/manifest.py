"""Manifests of plugins: every shape that was published (FLOW_LANGUAGE section 10), and those made from the code's text.

Nothing of a plugin is run here. Unknown keys are left alone; what is missing and can be known otherwise is inferred.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.plugins.code_files import code_files, find_entry, read_text
from intellyhub_functions.plugins.parameters import read_parameters, texts
from intellyhub_functions.plugins.plugin import Offer, PluginManifest, spelled
from intellyhub_functions.plugins.project import read_project
from intellyhub_functions.plugins.scan import Scanned, scan

__all__ = ["MANIFEST", "read_manifest"]

MANIFEST = "manifest.json"
MAX_BYTES = 2 << 20
Document = dict[str, Any]


def read_manifest(folder: Path) -> PluginManifest:
    """The manifest of the plugin in a folder, or in a single Python file. Raises InputInvalid with every fault."""
    document = read_document(folder)
    faults: list[str] = []
    scanned = scan_files(folder, document, faults)
    states = make_offers(document, scanned.states, "states", faults)
    listeners = make_offers(document, scanned.listeners, "listeners", faults)
    name, version = (required_text(document, key, faults) for key in ("name", "version"))
    if not states and not listeners and not faults:
        faults.append(
            "it offers no state type and no listener: nothing in its code is decorated with @state or @source"
        )
    if faults:
        raise InputInvalid(f"{folder}: the plugin cannot be used: {'; '.join(dict.fromkeys(faults))}")
    entry = (*states, *listeners)[0].module
    return PluginManifest(
        name=name,
        version=version,
        description=text(document, "description"),
        author=author_of(document),
        license=text(document, "license"),
        kind="state" if states else "listener",
        entry_file=entry,
        states=states,
        listeners=listeners,
        requirements=tuple(dict.fromkeys((*texts(document.get("requirements")), *packages(document)))),
        optional_requirements=texts(document.get("optional_requirements")),
        secrets=texts(document.get("secrets")),
        document=completed(document, states, listeners, entry),
    )


def read_document(folder: Path) -> Document:
    """What is written down: manifest.json, else what the project's own files say."""
    written = folder / MANIFEST
    if not written.is_file():
        return read_project(folder)
    if written.stat().st_size > MAX_BYTES:
        raise InputInvalid(f"{written}: larger than {MAX_BYTES} bytes")
    try:
        document = json.loads(written.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as fault:
        raise InputInvalid(f"{written}: not a JSON file that can be read: {fault}") from fault
    if not isinstance(document, dict):
        raise InputInvalid(f"{written}: must be a JSON object")
    return {**read_project(folder), **document}


def scan_files(folder: Path, document: Document, faults: list[str]) -> Scanned:
    """What the files of its code offer: those that the manifest names, else all."""
    named = [text(document, "entry_file")] if text(document, "entry_file") else []
    named += [
        file for room in ("states", "listeners") for each in rows(document, room) for file in [file_of(each)] if file
    ]
    paths: list[str] = []
    for file in dict.fromkeys(named):
        entry = find_entry(folder, file)
        if entry is None:
            faults.append(f"there is no file {file!r}")
        else:
            paths.append(entry)
    scanned = Scanned()
    for path in paths or ([] if faults else code_files(folder)):
        try:
            found = scan(read_text(folder, path), path)
        except InputInvalid as fault:
            faults.append(str(fault))
            continue
        scanned.states += found.states
        scanned.listeners += found.listeners
    return scanned


def make_offers(document: Document, found: Sequence[Offer], room: str, faults: list[str]) -> tuple[Offer, ...]:
    """What the manifest says of states or listeners, joined with what the code shows."""
    native = [offer for offer in found if offer.native]
    classes = [offer for offer in found if not offer.native]
    listed = rows(document, room)
    if listed:
        offers = [listed_offer(row, found, room, document, faults) for row in listed]
        return tuple(offer for offer in offers if offer is not None)
    return (*native, *published_offers(document, classes, room))


def published_offers(document: Document, found: Sequence[Offer], room: str) -> tuple[Offer, ...]:
    """The classes of a published plugin: the one that is meant under the manifest's type and documentation, others
    under their own ids."""
    classes = merge(found)
    declared = declared_types(document, room)
    if not declared and len(classes) != 1:
        return tuple(classes)
    kind = declared[0] if declared else classes[0].type
    chosen = choose_class(kind, classes, room)
    if chosen is None and kind_of(document) != room:
        return tuple(classes)
    spell = functools.partial(spelled, listener=room == "listeners")
    spellings = [*declared, *((chosen.type, *chosen.aliases) if chosen else ())]
    documented = Offer(
        type=kind,
        aliases=tuple(dict.fromkeys(each for each in spellings if spell(each) != spell(kind))),
        module=chosen.module if chosen else text(document, "entry_file"),
        name=chosen.name if chosen else None,
        description=text(document, "description") or (chosen.description if chosen else ""),
        parameters=read_parameters(document),
        fields=tuple(injected(document)) if room == "listeners" else (),
        example=first_example(document),
    )
    return (documented, *(each for each in classes if each is not chosen))


def merge(found: Sequence[Offer]) -> list[Offer]:
    """One offer for each class: the ids it was registered under besides are aliases."""
    by_class: dict[tuple[str, str | None], Offer] = {}
    for offer in found:
        key = offer.module, offer.name
        known = by_class.get(key)
        by_class[key] = replace(known, aliases=(*known.aliases, offer.type)) if known else offer
    return list(by_class.values())


def listed_offer(
    row: Document, found: Sequence[Offer], room: str, document: Document, faults: list[str]
) -> Offer | None:
    """One row of `states` or `listeners`: `{name, class: "module.Class"}`, or `{name, function: "module:function"}`."""
    kind = text(row, "state_type") or text(row, "listener_type") or text(row, "type") or text(row, "name")
    path = text(row, "function") or text(row, "class")
    name = path.replace(":", ".").rpartition(".")[2]
    match = next((offer for offer in found if offer.name == name), None)
    if not kind or match is None:
        faults.append(f"{room}: {path or kind or 'a row'!r} is not in its code")
        return None
    written = read_parameters(row) or match.parameters or read_parameters(document, kind)
    aliases = dict.fromkeys((*texts(row.get("aliases")), *match.aliases, match.type))
    return replace(
        match,
        type=kind,
        aliases=tuple(alias for alias in aliases if alias != kind),
        description=text(row, "description") or match.description,
        parameters=match.parameters if match.native else written,
        fields=texts(row.get("fields")) or match.fields,
        example=first_example(row) or match.example,
    )


def declared_types(document: Document, room: str) -> list[str]:
    """The type that a manifest names, in whichever key."""
    keys = ("state_type",) if room == "states" else ("listener_type", "listener_id")
    return list(dict.fromkeys(text(document, key) for key in keys if text(document, key)))


def kind_of(document: Document) -> str:
    """`states` or `listeners`: from plugin_type, type, the keys that name a type, the file's name."""
    said = (text(document, "plugin_type") or text(document, "type")).lower()
    if said in ("state", "listener"):
        return said + "s"
    if declared_types(document, "listeners"):
        return "listeners"
    if declared_types(document, "states"):
        return "states"
    return "listeners" if text(document, "entry_file").endswith("_listener.py") else "states"


def choose_class(kind: str, classes: Sequence[Offer], room: str) -> Offer | None:
    """The class that is meant by a type: by its id, however spelled; else the only one."""
    spell = functools.partial(spelled, listener=room == "listeners")
    found = (offer for offer in classes if spell(kind) in map(spell, (offer.type, *offer.aliases)))
    return next(found, classes[0] if len(classes) == 1 else None)


def file_of(row: Document) -> str:
    """The file of a row's `module.Class` or `module:function`."""
    path = text(row, "function") or text(row, "class")
    module = path.partition(":")[0] if ":" in path else path.rpartition(".")[0]
    return module if module.endswith(".py") or not module else module.replace(".", "/") + ".py"


def rows(document: Document, room: str) -> list[Document]:
    listed = document.get(room)
    return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []


def injected(document: Document) -> Iterable[str]:
    """The flat variables that a listener documents."""
    named = section(document, "documentation").get("variables_injected")
    return [str(name) for name in named] if isinstance(named, dict | list) else []


def first_example(document: Document) -> Document | None:
    """The first example that has a configuration."""
    listed = section(document, "documentation").get("examples", document.get("examples"))
    configs = [each.get("config") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return next((config for config in configs if isinstance(config, dict)), None)


def packages(document: Document) -> tuple[str, ...]:
    """`dependencies`: a list of requirements, or a mapping with `packages`; elsewhere it is empty."""
    found = document.get("dependencies")
    return texts(found.get("packages")) if isinstance(found, dict) else texts(found)


def required_text(document: Document, key: str, faults: list[str]) -> str:
    found = text(document, key)
    if not found:
        faults.append(f"`{key}` is missing")
    return found


def author_of(document: Document) -> str:
    """A name, or a mapping with one."""
    author = document.get("author")
    return text(author, "name") if isinstance(author, dict) else text(document, "author")


def section(document: Document, key: str) -> Document:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def text(document: Mapping[str, Any], key: str) -> str:
    """A text, or a number written as one; empty where there is none."""
    found = document.get(key)
    return str(found).strip() if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def completed(document: Document, states: Sequence[Offer], listeners: Sequence[Offer], entry: str) -> Document:
    """The manifest with what was found in the code, as `describe` writes it."""
    whole = {
        **document,
        "entry_file": text(document, "entry_file") or entry,
        "api_version": document.get("api_version", "1.0"),
    }
    for room, offers in (("states", states), ("listeners", listeners)):
        native = [offer for offer in offers if offer.native]
        if native and not rows(document, room):
            whole[room] = [make_row(offer) for offer in native]
    whole.setdefault("plugin_type", "state" if states else "listener")
    return whole


def make_row(offer: Offer) -> Document:
    """One native offer, as a manifest lists it."""
    row: Document = {"name": offer.type, "function": f"{offer.module}:{offer.name}", "description": offer.description}
    if offer.aliases:
        row["aliases"] = list(offer.aliases)
    if offer.fields:
        row["fields"] = list(offer.fields)
    if offer.pure:
        row["pure"] = True
    if offer.timeout_seconds is not None:
        row["timeout_seconds"] = offer.timeout_seconds
    return {**row, "documentation": {"parameters": dict(offer.parameters)}}
