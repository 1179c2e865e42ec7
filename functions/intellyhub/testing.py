"""For the tests of a plugin: performs a state, or listens to a source, as a flow would."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from intellyhub.calling import bind, call, iterate
from intellyhub.context import Context, SourceContext
from intellyhub.declaring import declared
from intellyhub.outcomes import Event, Result

__all__ = ["listen", "perform"]


def perform(
    function: Any,
    *,
    context: Context | None = None,
    workspace: Path | None = None,
    variables: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Result:
    """Perform a state with these parameters, which may be texts where numbers are meant, as placeholders give them."""
    require(function, "state")
    surroundings = context or Context()
    if workspace is not None:
        surroundings = replace(surroundings, workspace=workspace)
    if variables is not None:
        surroundings = replace(surroundings, variables=variables)
    result = call(function, parameters, surroundings)
    return result if isinstance(result, Result) else Result(value=result)


def listen(function: Any, *, events: int, context: SourceContext | None = None, **parameters: Any) -> list[Event]:
    """The first so many events of a source; then it is told to stop, and closed."""
    require(function, "source")
    surroundings = context or SourceContext()
    found = iterate(function, bind(function, parameters, surroundings))
    try:
        return [each if isinstance(each, Event) else Event(each) for each in itertools.islice(found, events)]
    finally:
        surroundings.stopping.set()
        found.close()


def require(function: Any, kind: str) -> None:
    note = declared(function)
    if note is None or note.kind != kind:
        raise TypeError(f"{function!r} is no {kind}: decorate it with @{kind}")
