"""Shows a run while it happens: on a terminal every step with outcome and time, piped the flow's own log lines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from intellyhub_engine.cli.terminal import Fragment, Terminal
from intellyhub_engine.journal.records import (
    Entry,
    Logged,
    RunStatus,
    RunSuspended,
    StepFinished,
    StepStarted,
    StepStatus,
)
from intellyhub_engine.machine.result import RunResult

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["Progress", "duration_text", "path_of", "status_fragment", "waiting_for"]

SIGNS = {
    StepStatus.SUCCEEDED: ("✓", "ok", "green"),
    StepStatus.FAILED: ("✗", "!!", "bold red"),
    StepStatus.RETRYING: ("↻", "re", "yellow"),
    StepStatus.WAITING: ("…", "..", "cyan"),
    StepStatus.CANCELLED: ("■", "--", "yellow"),
    StepStatus.RUNNING: ("▸", ">>", "cyan"),
}
RUN_STYLES = {
    RunStatus.SUCCEEDED: "bold green",
    RunStatus.FAILED: "bold red",
    RunStatus.WAITING: "bold cyan",
    RunStatus.CANCELLED: "bold yellow",
    RunStatus.RUNNING: "cyan",
}
LONGEST_LINE = 2000
LOG_STYLES = {"debug": "dim", "warning": "yellow", "error": "red"}


class Progress(AbstractContextManager["Progress"]):
    """Told of every entry of every run, from several threads. `aside`: write to standard error."""

    def __init__(self, terminal: Terminal, *, steps: bool, logs: bool, verbose: bool, aside: bool = False) -> None:
        self.terminal = terminal
        self.steps = steps
        self.logs = logs
        self.verbose = verbose
        self.write: Callable[..., None] = terminal.tell if aside else terminal.show
        self.lively = steps and (terminal.interactive_errors if aside else terminal.interactive)
        self.aside = aside
        self.lock = threading.Lock()
        self.status: Status | None = None

    def observe(self, run_id: str, entry: Entry) -> None:
        """Show one entry."""
        with self.lock:
            self.stop_status()
            if isinstance(entry, StepStarted):
                self.show_start(run_id, entry)
            elif isinstance(entry, StepFinished):
                self.show_step(run_id, entry)
            elif isinstance(entry, Logged):
                self.show_log(run_id, entry)
            elif isinstance(entry, RunSuspended) and self.steps:
                self.write(indent(run_id), ("     waiting ", "cyan"), waiting_for(entry))

    def show_start(self, run_id: str, entry: StepStarted) -> None:
        """Say what is at work, on a terminal only; the line gives way to the outcome."""
        if not self.lively:
            return
        from rich.text import Text

        console = self.terminal.error_console if self.aside else self.terminal.console
        again = f", attempt {entry.attempt}" if entry.attempt > 1 else ""
        self.status = console.status(Text(f"{indent(run_id)}{entry.state} ({entry.type}{again})"))
        self.status.start()

    def show_step(self, run_id: str, entry: StepFinished) -> None:
        if not self.steps:
            return
        wide, narrow, style = SIGNS[entry.status]
        took = duration_text(entry.finished_ns - entry.started_ns)
        onward = f"  {self.terminal.glyph('→', '->')} {entry.next}" if entry.next else ""
        self.write(
            f"{indent(run_id)}{entry.seq:>4} ",
            (self.terminal.glyph(wide, narrow), style),
            f" {entry.state + item_of(run_id):<24} ",
            (f"{entry.type:<14}", "dim"),
            (f"{took:>9}", "dim"),
            (onward, "dim"),
        )
        if entry.error and not self.logs:  # else the log says it
            self.write(indent(run_id), ("       " + entry.error, style))
        for event in entry.emitted:
            self.write(indent(run_id), ("       emitted ", "cyan"), f"{event.type} from {event.source}")

    def show_log(self, run_id: str, entry: Logged) -> None:
        if not self.logs or (entry.level == "debug" and not self.verbose):
            return
        bar = f"{indent(run_id)}     {self.terminal.glyph('│', '|')} " if self.steps else ""
        level = f"{entry.level}: " if entry.level in ("warning", "error") else ""
        for line in entry.message.splitlines() or [""]:
            self.write((bar, "dim"), (level + cut(line), LOG_STYLES.get(entry.level, "")))

    def stop_status(self) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.lock:
            self.stop_status()


def cut(line: str) -> str:
    """A line that a person can still read; the journal has all of it."""
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… ({len(line)} characters)"


def indent(run_id: str) -> str:
    """Child runs stand further right; their ids hold a dot and two parts per level."""
    return "    " * (run_id.count(".") // 2)


def item_of(run_id: str) -> str:
    """Which item of a mapped loop a child run has: `[3]`; branches have names of their own."""
    _, dot, key = run_id.rpartition(".")
    index = key.partition("~")[0]
    return f"[{index}]" if dot and index.isdecimal() else ""


def waiting_for(entry: RunSuspended) -> str:
    """What a suspended run waits for, in words."""
    from intellyhub_engine.cli.answer import iso_time

    until = f" until {iso_time(entry.until_ns)}" if entry.until_ns is not None else ""
    if entry.approval is not None:
        return f"for a decision: {entry.approval}{until}"
    if entry.event_filter is not None:
        wanted = ", ".join(f"{name}={value}" for name, value in entry.event_filter.items())
        return f"for an event ({wanted}){until}"
    return until.strip() or "for its child runs"


def status_fragment(status: RunStatus) -> Fragment:
    """A run's status in its colour."""
    return status.value, RUN_STYLES[status]


def duration_text(nanoseconds: int) -> str:
    """A duration for the eye: `0.04 ms`, `1.2 ms`, `12 ms`, `3.4 s`, `2 min 5 s`."""
    milliseconds = nanoseconds / 1e6
    if milliseconds < 1:
        return f"{milliseconds:.2f} ms"
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def path_of(result: RunResult) -> list[str]:
    """The states a run went to, retries counted once, the one it waits in included."""
    names: list[str] = []
    last = 0
    for entry in result.entries:
        if isinstance(entry, StepStarted | StepFinished) and entry.seq > last:
            last = entry.seq
            names.append(entry.state)
    return names
