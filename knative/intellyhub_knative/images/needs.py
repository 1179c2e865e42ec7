"""What the built-in functions that a flow uses require beyond the engine image: packages that its image gets on top."""

from __future__ import annotations

import json
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from intellyhub_engine.catalogue.load import Row
from intellyhub_engine.catalogue.names import fold, fold_source
from intellyhub_engine.language.model import Flow
from intellyhub_functions.catalogue import SOURCES, STATES
from intellyhub_knative.images.engine_layer import constraints

__all__ = ["function_requirements"]

SIGNS = {
    "boto3": ("s3://",),
    "espeakng-loader": ("espeak",),
    "numpy": ("espeak", "whisper"),
    "psycopg2-binary": ("postgres",),
    "pymysql": ("mysql", "mariadb"),
    "pywhispercpp": ("whisper",),
    "soundfile": ("espeak", "whisper"),
}
"""Optional requirements -> what in a flow's text says that it wants them."""
DRIVERS = frozenset(("psycopg2-binary", "pymysql"))
"""One of these is needed in any case: where the text does not say which, all come along (10 MB)."""


def function_requirements(flow: Flow, text: str) -> tuple[str, ...]:
    """Requirements of the flow's state types and of its listener, as their manifests write them, sorted; without those
    that every engine image meets. They are resolved with `engine_layer.constraints()`, so that the two agree.

    `text` is the flow's: of what is optional in a manifest it gets what it names. A bucket, or an engine for speech,
    that only a tenant's variable names is not seen, and the state says what is missing.
    """
    there = {line.partition("==")[0] for line in constraints()}
    wanted = {line for row in rows_of(flow) for line in requirements_of(row, text.lower())}
    return tuple(sorted(line for line in wanted if name_of(line) not in there))


def rows_of(flow: Flow) -> Iterator[Row]:
    """The functions that a flow names and that are built in."""
    states = {fold(name): row for key, row in STATES.items() for name in (key, *row.aliases)}
    for state in flow.states.values():
        if (row := states.get(fold(state.type))) is not None:
            yield row
    if flow.listener is not None:
        sources = {fold_source(name): row for key, row in SOURCES.items() for name in (key, *row.aliases)}
        if (row := sources.get(fold_source(flow.listener.type))) is not None:
            yield row


def requirements_of(row: Row, text: str) -> Iterator[str]:
    """What a manifest says, for a flow with this text."""
    document = json.loads(row.manifest.read_bytes())
    yield from document.get("requirements") or ()
    optional = document.get("optional_requirements") or ()
    named = [line for line in optional if any(sign in text for sign in SIGNS.get(name_of(line), ("",)))]
    yield from named or (line for line in optional if name_of(line) in DRIVERS)


def name_of(line: str) -> str:
    """A requirement's package."""
    return canonicalize_name(Requirement(line).name)
