"""A flow's own tests: an event, mocked states, and what must come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.records import RunStatus, StepFinished, StepStatus
from intellyhub_engine.language.values.values import wrap
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.run import start

if TYPE_CHECKING:
    from intellyhub_engine.language.model import FlowTest
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.host import Host

__all__ = ["TestReport", "path_of", "run_test"]

ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class TestReport:
    """How one test of a flow came out."""

    __test__ = False  # what pytest would otherwise take the name for

    name: str
    differences: tuple[str, ...]
    """What is not as expected, one sentence each; none when the test passed."""
    path: tuple[str, ...]
    """The states visited."""
    result: RunResult

    @property
    def passed(self) -> bool:
        return not self.differences


def run_test(program: Program, host: Host, test: FlowTest) -> TestReport:
    """Run the flow with the test's event; mocked states give what the test says, and no state touches the world."""
    quiet = replace(host, journal=None, observe=None, emit=None)
    result = start(
        program,
        quiet,
        event=make_event(program, host, test),
        variables=test.variables,
        run_id="test",
        mocks=test.mocks,
    )
    path = path_of(result)
    differences = (
        *status_differences(test, result),
        *path_differences(test, path),
        *variable_differences(test, result),
    )
    return TestReport(name=test.name, differences=differences, path=path, result=result)


def make_event(program: Program, host: Host, test: FlowTest) -> Event | None:
    """The test's event: an envelope with `data`, or the data alone."""
    if test.event is None:
        return None
    listener = program.listener
    kind = host.catalogue.sources.get(listener.type) if listener else None
    named = test.event if isinstance(test.event, Mapping) else {}
    envelope = named if "data" in named and set(named) <= ENVELOPE else {}
    return Event(
        id=str(envelope.get("id", "test")),
        source=str(envelope.get("source", "test")),
        type=str(envelope.get("type", kind.event_type if kind else "") or "test"),
        subject=envelope.get("subject"),
        data=wrap(envelope["data"] if envelope else test.event),
    )


ENVELOPE = frozenset({"id", "source", "type", "subject", "time", "data", "specversion", "datacontenttype"})


def path_of(result: RunResult) -> tuple[str, ...]:
    """The states visited, each once however often it was tried."""
    return tuple(
        entry.state
        for entry in result.entries
        if isinstance(entry, StepFinished) and entry.status is not StepStatus.RETRYING
    )


def status_differences(test: FlowTest, result: RunResult) -> Iterator[str]:
    if result.status.value != test.expected_status:
        why = f": {result.error}" if result.error else ""
        yield f"the run {verb(result.status)} at {result.end_state!r}, expected {test.expected_status!r}{why}"


def verb(status: RunStatus) -> str:
    return {RunStatus.CANCELLED: "was cancelled", RunStatus.WAITING: "waits"}.get(status, status.value)


def path_differences(test: FlowTest, path: tuple[str, ...]) -> Iterator[str]:
    expected = test.expected_path
    if expected is None or expected == path:
        return
    same = next(
        (at for at, pair in enumerate(zip(expected, path, strict=False)) if pair[0] != pair[1]),
        min(len(expected), len(path)),
    )
    wanted = f"expected {expected[same]!r}" if same < len(expected) else "expected the run to have ended"
    came = f"it went to {path[same]!r}" if same < len(path) else "the run had ended"
    yield f"the path differs at step {same + 1}: {wanted}, but {came} ({' -> '.join(path) or 'no state at all'})"


def variable_differences(test: FlowTest, result: RunResult) -> Iterator[str]:
    for name, expected in test.expected_variables.items():
        value = result.variables.get(name, ABSENT)
        if value is ABSENT:
            yield f"the variable {name!r} was not set, expected {shown(expected)}"
        elif value != expected and not (isinstance(value, dict) and dict.__eq__(value, expected) is True):
            yield f"the variable {name!r} is {shown(value)}, expected {shown(expected)}"


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
