"""Writes docs/functions: a page for every state type and source, from its manifest, its README.md and its example.

    .venv/bin/python scripts/document.py [--check]

`--check` writes nothing and ends with 1 where a page is not what it would write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Parameter, SourceType, StateType
from intellyhub_functions.catalogue import CATALOGUE, SOURCES, STATES

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "functions"


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; return the exit code."""
    if set(arguments) - {"--check"}:
        print("usage: document.py [--check]", file=sys.stderr)
        return 2
    pages = make_pages()
    old = {path.relative_to(PAGES).as_posix(): path.read_text() for path in PAGES.rglob("*.md")}
    stale = sorted(name for name in old.keys() | pages.keys() if old.get(name) != pages.get(name))
    if arguments:
        for name in stale:
            print(f"docs/functions/{name} is not up to date: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        path = PAGES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in pages:
            path.write_text(pages[name])
        else:
            path.unlink()
    print(f"docs/functions: {len(pages)} pages, {len(stale)} of them new")
    return 0


def make_pages() -> dict[str, str]:
    """Every page by its name under docs/functions."""
    states: dict[str, StateType] = {name: CONTROL[name] for name in CONTROL} | {
        name: CATALOGUE.states[name] for name in STATES
    }
    sources = {name: CATALOGUE.sources[name] for name in SOURCES}
    pages = {}
    for name, kind in states.items():
        pages[f"states/{name}.md"] = make_page(kind, STATES[name].manifest if name in STATES else None)
    for name, source in sources.items():
        pages[f"sources/{name}.md"] = make_page(source, SOURCES[name].manifest)
    pages["README.md"] = make_index(states, sources)
    return pages


def make_index(states: Mapping[str, StateType], sources: Mapping[str, SourceType]) -> str:
    """The list of all functions."""
    lines = ["# Functions", "", "What flows are made of. These pages are written by `make docs`.", ""]
    for title, room, kinds in (("State types", "states", states), ("Sources", "sources", sources)):
        lines += [f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| [{name}]({room}/{name}.md) | {cell(kinds[name].description)} |" for name in sorted(kinds)]
        lines.append("")
    return "\n".join(lines)


def make_page(kind: StateType | SourceType, manifest: Path | None) -> str:
    """The page of one function."""
    written = (
        read_sections(manifest.with_name("README.md").read_text()) if manifest is not None else {"": kind.description}
    )
    parts = [f"# {kind.type}", written.pop("").strip(), *make_names(kind), *make_needs(manifest)]
    parts.append("## Parameters\n\n" + make_parameters(kind))
    if isinstance(kind, SourceType):
        parts += ["## What an event holds\n\n" + make_fields(kind)]
    parts += [f"## {title}\n\n{text.strip()}" for title, text in written.items()]
    parts += make_example(kind, manifest)
    return "\n\n".join(part for part in parts if part) + "\n"


def read_sections(text: str) -> dict[str, str]:
    """A document's sections by title; what stands between its first line and the first of them has the title ''."""
    sections = {"": ""}
    title = ""
    for line in text.splitlines()[1:]:
        if line.startswith("## "):
            title = line.removeprefix("## ")
            sections[title] = ""
        else:
            sections[title] += line + "\n"
    return sections


def make_names(kind: StateType | SourceType) -> Iterator[str]:
    """Other spellings, and what is not as everywhere."""
    key = "state_type" if isinstance(kind, StateType) else "type"
    others = f" Also written {', '.join(f'`{alias}`' for alias in kind.aliases)}." if kind.aliases else ""
    yield f"Used as `{key}: {kind.type}`.{others}"
    if isinstance(kind, StateType) and kind.error_default:
        yield f"Without an `error_transition`, a failure goes to `{kind.error_default}`."
    if not kind.installed:
        yield "**Known by name only**: flows that use it are checked; running them says what is missing."


def make_needs(manifest: Path | None) -> Iterator[str]:
    """What has to be installed beside the platform."""
    needed = json.loads(manifest.read_text()).get("requirements", []) if manifest is not None else []
    if needed:
        yield f"Needs {', '.join(f'`{each}`' for each in needed)}, which the platform brings along."


def make_parameters(kind: StateType | SourceType) -> str:
    """The table of parameters."""
    if not kind.parameters:
        return "None."
    lines = ["| parameter | type | default | |", "|---|---|---|---|"]
    for parameter in kind.parameters.values():
        types = " or ".join(parameter.types)
        lines.append(f"| `{parameter.name}` | {types} | {show_default(parameter)} | {cell(describe(parameter))} |")
    if kind.open_parameters:
        lines += ["", "Other keys are handed over as they are."]
    return "\n".join(lines)


def show_default(parameter: Parameter) -> str:
    """What holds where nothing is written."""
    if parameter.required:
        return "required"
    return "" if parameter.default is None else f"`{cell(json.dumps(parameter.default, ensure_ascii=False))}`"


def describe(parameter: Parameter) -> str:
    """Everything else about a parameter."""
    said = [parameter.description]
    if parameter.enum:
        said.append(f"One of {', '.join(f'`{value}`' for value in parameter.enum if value != '')}.")
    if parameter.aliases:
        said.append(f"Also written {', '.join(f'`{alias}`' for alias in parameter.aliases)}.")
    if parameter.secret:
        said.append("A secret.")
    return " ".join(said)


def make_fields(kind: SourceType) -> str:
    """The table of an event's fields."""
    lines = [f"Events of type `{kind.event_type}`.", "", "| field | also as |", "|---|---|"]
    for name, flat in kind.fields.items():
        lines.append(f"| `event.{name}` | {', '.join(f'`{each}`' for each in flat)} |")
    if kind.root:
        lines += ["", f"The data is also known as `{kind.root}`."]
    if kind.spread:
        lines += ["", f"The keys of `event.{kind.spread}` are variables of their own."]
    return "\n".join(lines)


def make_example(kind: StateType | SourceType, manifest: Path | None) -> Iterator[str]:
    """A whole flow, or the state alone."""
    if manifest is not None:
        yield f"## Example\n\n```yaml\n{manifest.with_name('example.yaml').read_text().strip()}\n```"
    elif isinstance(kind, StateType) and kind.example:
        yield f"## Example\n\n```yaml\n{show_yaml(kind.example)}\n```"


def show_yaml(example: Mapping[str, Any]) -> str:
    """A state as an author writes it."""
    return "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in example.items())


def cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
