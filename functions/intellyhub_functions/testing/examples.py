"""Runs the example flow of a function's folder, as the function's own test does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import examine
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.run import start

__all__ = ["run_example"]


def run_example(
    folder: Path,
    workspace: Path,
    *,
    names: Mapping[str, Any] | None = None,
    services: Mapping[str, Any] | None = None,
    event: Event | None = None,
) -> RunResult:
    """Run `example.yaml` to its end, with `names` for what tenants configure; a flow with a listener gets `event`, or
    its source's sample. Raises AssertionError unless it checks clean and succeeds."""
    catalogue = installed()
    flow, problems = examine((folder / "example.yaml").read_bytes(), catalogue, name=folder.name)
    assert flow is not None, [str(problem) for problem in problems]
    assert not problems, [str(problem) for problem in problems]
    if flow.listener is not None and event is None:
        source = catalogue.sources[flow.listener.type]
        event = Event(id="1", source="/sample", type=source.event_type, data=dict(source.sample))
    host = Host(
        now_ns=time.time_ns, catalogue=catalogue, outer=names or {}, workspace=workspace, services=services or {}
    )
    result = start(compile_flow(flow, catalogue), host, event=event)
    assert (result.status, result.error) == (RunStatus.SUCCEEDED, None)
    return result
