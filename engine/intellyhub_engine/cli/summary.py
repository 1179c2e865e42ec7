"""The last lines about a run: how it came out, the way it took, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.progress import duration_text, path_of, status_fragment, waiting_for
from intellyhub_engine.cli.terminal import Fragment, Terminal
from intellyhub_engine.journal.records import Entry, RunFinished, RunStatus, StepFinished, StepStarted
from intellyhub_engine.machine.result import RunResult

__all__ = ["exit_of", "journal_flag", "show_summary"]

EXITS = {
    RunStatus.SUCCEEDED: Exit.SUCCEEDED,
    RunStatus.FAILED: Exit.FAILED,
    RunStatus.WAITING: Exit.WAITING,
    RunStatus.CANCELLED: Exit.CANCELLED,
    RunStatus.RUNNING: Exit.FAILED,
}
MAX_PATH = 12


def exit_of(result: RunResult) -> Exit:
    """The exit code of a run."""
    return EXITS[result.status]


def show_summary(terminal: Terminal, result: RunResult, *, journal: str | None, hints: bool) -> None:
    """Write the end of a run, its reason to standard error. `journal`: the flag that reaches it; None: not kept."""
    names = path_of(result)
    way = f" {terminal.glyph('→', '->')} ".join(names if len(names) <= MAX_PATH else [*names[:5], "…", *names[-5:]])
    state = result.suspended.state if result.suspended is not None else result.end_state
    place = f" at {state}" if state else ""
    line: list[Fragment] = [status_fragment(result.status), place]
    if terminal.interactive:
        line += [(f"  {duration_text(took(result.entries))}", "dim"), (f"  run {result.run_id}", "dim")]
    else:
        line += [f"  steps {len(names)}  run {result.run_id}"]
    terminal.show(*line)
    if terminal.interactive and hints and names:
        terminal.show((way, "dim"))
    if result.error and not (terminal.interactive and terminal.interactive_errors):  # there, the log just said so
        terminal.tell(("error: ", "bold red"), result.error)
    if result.suspended is not None and result.status is RunStatus.WAITING:
        terminal.tell("waiting ", waiting_for(result.suspended))
    if terminal.interactive and hints:
        for hint in next_commands(result, journal):
            terminal.show(("  " + hint, "cyan"))


def next_commands(result: RunResult, journal: str | None) -> list[str]:
    """What a person may want to type now."""
    if journal is None:
        lost = "this run was not kept, so it cannot go on; give --journal FILE next time"
        return [lost] if result.status is RunStatus.WAITING else []
    run = f"{result.run_id}{journal}"
    if result.status is RunStatus.WAITING:
        asked = result.suspended is not None and result.suspended.approval is not None
        return [f"intellyhub resume {run}{' --approve' if asked else ''}"]
    again = [f"intellyhub runs show {run}", f"intellyhub replay {run}"]
    failed = next((e.seq for e in reversed(result.entries) if isinstance(e, StepFinished)), None)
    if result.status is RunStatus.FAILED and failed is not None:
        again.append(f"intellyhub fork {result.run_id} {failed}{journal}")
    return again


def journal_flag(path: Path, default: Path) -> str:
    """How a following command names this journal."""
    return "" if path == default else f" --journal {shlex.quote(str(path))}"


def took(entries: Sequence[Entry]) -> int:
    """Nanoseconds from the first step's begin to the last word."""
    times = [time for entry in entries for time in times_of(entry)]
    return max(times) - min(times) if times else 0


def times_of(entry: Entry) -> tuple[int, ...]:
    if isinstance(entry, StepFinished):
        return entry.started_ns, entry.finished_ns
    if isinstance(entry, StepStarted):
        return (entry.started_ns,)
    return (entry.finished_ns,) if isinstance(entry, RunFinished) else ()
