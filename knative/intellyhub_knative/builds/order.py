"""What is to be built: a text, and everything that goes into its image. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.load import examine
from intellyhub_engine.language.model import Flow
from intellyhub_functions.plugins.plugin import InstalledPlugin

__all__ = ["CALLED_NAME", "Order", "find_called", "names_called", "python_requirements"]

CALL, AGENT = "call", "llm_agent"
REQUIRING = ("python", AGENT)
"""State types that run an author's Python with packages of its own."""
CALLED_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")
"""How a flow that is packed with its caller may be called: a name, or a path below the caller's folder."""
MOST_CALLED = 100


@dataclass(frozen=True, kw_only=True)
class Order:
    """One flow version, and where its image goes."""

    title: str
    """What messages call it: its file, or its slug."""
    text: bytes
    name: str
    """What the journal calls it (INTELLYHUB_FLOW_NAME)."""
    called: Mapping[str, bytes] = field(default_factory=dict)
    """Texts of the flows that it calls, by name."""
    called_names: Mapping[str, str] = field(default_factory=dict)
    """What the journal calls those, where that is not their name."""
    tests: bytes | None = None
    """The tests beside it (`FLOW.test.yaml`); those in the text are known."""
    plugins: tuple[InstalledPlugin, ...] = ()
    """Those that may be used; only those that are used go into the image."""
    labels: Mapping[str, str] = field(default_factory=dict)
    engine: str
    """The engine image: a reference, `oci:DIR[:TAG]`, `tar:FILE`."""
    destination: str = ""
    """Where the image goes; empty: nowhere, it is only made."""
    platform: str = ""
    """`os/architecture`; empty: this machine's."""
    mocks_plugins: bool = False
    """States of plugins must be mocked in tests: their code is not run here."""

    def test_key(self, seal: str) -> str:
        """The same for the same tests of the same flow with the same plugins (`seal`)."""
        parts = [self.text.decode("utf-8", "replace"), (self.tests or b"").decode("utf-8", "replace"), seal]
        parts += [f"{name}\0{text.decode('utf-8', 'replace')}" for name, text in sorted(self.called.items())]
        parts.append(str(self.mocks_plugins))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def names_called(flow: Flow) -> Iterator[str]:
    """The flows that a flow names outright, as it names them: by `call`, and as tools of an agent."""
    for state in flow.states.values():
        if state.type == CALL:
            wanted = [state.parameters.get("flow")]
        elif state.type == AGENT:
            tools = state.parameters.get("tools")
            listed = tools if isinstance(tools, list) else [tools]
            wanted = [each.get("flow") if isinstance(each, dict) else each for each in listed]
        else:
            continue
        yield from (each for each in wanted if isinstance(each, str) and CALLED_NAME.fullmatch(each))


def find_called(
    text: bytes, catalogue: Catalogue, read: Callable[[str], bytes | None], *, name: str = "flow"
) -> dict[str, bytes]:
    """The flows that a flow calls, and those that these call, by name without `.yaml`. `read` gives a text by that
    name, None where there is none: it is missed at run time, and the check says so."""
    found: dict[str, bytes] = {}
    waiting = [(name, text)]
    while waiting and len(found) < MOST_CALLED:
        title, current = waiting.pop()
        flow, _ = examine(current, catalogue, name=title)
        for called in names_called(flow) if flow else ():
            plain = called.removesuffix(".yaml")
            if plain not in found and (content := read(plain)) is not None:
                found[plain] = content
                waiting.append((plain, content))
    return dict(sorted(found.items()))


def python_requirements(flow: Flow) -> Iterator[tuple[str, ...]]:
    """What the Python of each state requires beside what is there."""
    for state in flow.states.values():
        wanted = state.parameters.get("requirements") if state.type in REQUIRING else None
        listed = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
        if lines := tuple(line.strip() for line in listed if isinstance(line, str) and line.strip()):
            yield lines
