"""Flow files as programs, for every command that runs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.cli.diagnostics import FlowRefused
from intellyhub_engine.cli.inputs import STANDARD_INPUT, read_bytes
from intellyhub_engine.errors import FlowInvalid, InputInvalid
from intellyhub_engine.language.model import Flow
from intellyhub_engine.language.problems import Problem

if TYPE_CHECKING:
    from intellyhub_engine.cli.archive import Archive
    from intellyhub_engine.language.program import Program

__all__ = [
    "LoadedFlow",
    "compile_loaded",
    "load_file",
    "load_text",
    "make_finder",
    "name_of",
    "override_listener",
    "override_steps",
]

MAX_FLOW_BYTES = 2_000_000
"""Above what the language reads (1 MB), so that its own message names the size; below what could hurt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedFlow:
    """A flow that can run, with what is needed to speak about its text and to find it again."""

    flow: Flow
    warnings: tuple[Problem, ...]
    path: str
    text: bytes

    @property
    def shown_text(self) -> str:
        """The text for excerpts."""
        return self.text.decode("utf-8", "replace")


def load_file(path: str, catalogue: Catalogue) -> LoadedFlow:
    """Read, parse and check a flow file (`-`: standard input). Raises InputInvalid, FlowRefused."""
    return load_text(read_bytes(path, what="flow", max_bytes=MAX_FLOW_BYTES), path, name_of(path), catalogue)


def load_text(text: bytes, path: str, name: str, catalogue: Catalogue) -> LoadedFlow:
    """Parse and check a text that was read from `path`."""
    from intellyhub_engine.language.load import load_flow

    try:
        flow, problems = load_flow(text, catalogue, name)
    except FlowInvalid as fault:
        raise FlowRefused(path, text.decode("utf-8", "replace"), fault.problems) from fault
    return LoadedFlow(flow=flow, warnings=tuple(problems), path=path, text=text)


def name_of(path: str) -> str:
    """What a flow is called that does not say it: its file's stem."""
    return "flow" if path == STANDARD_INPUT else Path(path).stem


def compile_loaded(loaded: LoadedFlow, catalogue: Catalogue, archive: Archive) -> Program:
    """Compile a flow and keep its text beside the journal."""
    from intellyhub_engine.cli.archive import Kept
    from intellyhub_engine.language.compile import compile_flow

    path = "" if loaded.path == STANDARD_INPUT else str(Path(loaded.path).absolute())
    archive.keep(loaded.flow.digest, Kept(loaded.text, loaded.flow.name, path))
    return compile_flow(loaded.flow, catalogue)


def override_steps(loaded: LoadedFlow, max_steps: int | None) -> LoadedFlow:
    """Replace the flow's own limit of steps."""
    return replace(loaded, flow=replace(loaded.flow, max_steps=max_steps)) if max_steps else loaded


def override_listener(loaded: LoadedFlow, values: Mapping[str, Any], catalogue: Catalogue) -> LoadedFlow:
    """Replace parameters of the flow's listener, by any of their spellings. Raises InputInvalid for unknown ones."""
    listener = loaded.flow.listener
    if not values:
        return loaded
    if listener is None:
        raise InputInvalid(f"{loaded.path}: the flow has no listener, so --listener has nothing to change")
    source = catalogue.sources[listener.type]
    spellings = {spelling: p.name for p in source.parameters.values() for spelling in (p.name, *p.aliases)}
    from difflib import get_close_matches

    for name in values:
        if name not in spellings and not source.open_parameters:
            close = get_close_matches(name, spellings, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(sorted(source.parameters))}"
            raise InputInvalid(f"--listener {name}: the {listener.type} listener has no such parameter{hint}")
    changed = {spellings.get(name, name): value for name, value in values.items()}
    parameters = {**listener.parameters, **changed}
    return replace(loaded, flow=replace(loaded.flow, listener=replace(listener, parameters=parameters)))


def make_finder(path: str, catalogue: Catalogue, archive: Archive) -> Callable[[str], Program | None]:
    """What finds the flows that a flow calls: by path or by name, in the folder of the flow that calls."""
    folder = Path(path).absolute().parent if path and path != STANDARD_INPUT else Path.cwd()
    found: dict[str, Program] = {}

    def find(name: str) -> Program | None:
        if name not in found:
            place = next((spot for spot in candidates(folder, name) if spot.is_file()), None)
            if place is None:
                return None
            found[name] = compile_loaded(load_file(str(place), catalogue), catalogue, archive)
        return found[name]

    return find


def candidates(folder: Path, name: str) -> tuple[Path, ...]:
    """Where a called flow may stand."""
    return folder / name, folder / f"{name}.yaml", folder / f"{name}.yml"
