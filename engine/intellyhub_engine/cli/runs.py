"""`intellyhub runs`: what a journal knows, one run in detail, and cancelling one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from intellyhub_engine.cli.answer import iso_time, make_log, make_steps
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import journal_option, json_option
from intellyhub_engine.cli.progress import Progress, duration_text, status_fragment, waiting_for
from intellyhub_engine.cli.session import Session, debug_option
from intellyhub_engine.cli.terminal import Fragment
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.journal.records import RunFinished, RunHistory, RunStatus, RunSummary, RunSuspended

if TYPE_CHECKING:
    from intellyhub_engine.journal.journal import Journal

__all__ = ["command"]


@click.group("runs", invoke_without_command=True)
@click.option("--flow", metavar="NAME", help="Only runs of this flow.")
@click.option("--status", type=click.Choice([status.value for status in RunStatus]), help="Only runs with this status.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@journal_option
@json_option
@debug_option
@click.pass_context
def command(
    ctx: click.Context, flow: str | None, status: str | None, limit: int, journal: str | None, as_json: bool
) -> int:
    """List the runs of a journal, newest first; show or cancel one.

    \b
    Examples:
      intellyhub runs
      intellyhub runs --status failed --limit 5
      intellyhub runs show RUN
      intellyhub runs cancel RUN
    """
    if ctx.invoked_subcommand is not None:
        ctx.meta["journal"] = journal
        return Exit.SUCCEEDED
    session = ctx.find_object(Session)
    assert session is not None
    with read_journal(session, journal) as opened:
        rows = opened.runs(flow=flow, status=RunStatus(status) if status else None, limit=limit)
    if as_json:
        objects = [make_summary(row) for row in rows]
        session.terminal.emit_json(objects)
    elif session.terminal.interactive:
        show_table(session, rows)
    else:
        for row in rows:
            session.terminal.show("\t".join(cells(row)))
    return Exit.SUCCEEDED


@command.command("show")
@click.argument("run")
@journal_option
@json_option
@debug_option
@click.pass_context
def show(ctx: click.Context, run: str, journal: str | None, as_json: bool) -> int:
    """Show one run: its event, every step, its log.

    \b
    Examples:
      intellyhub runs show RUN
      intellyhub runs show RUN --json | jq '.steps[].state'
    """
    session = ctx.find_object(Session)
    assert session is not None
    with read_journal(session, journal or ctx.meta.get("journal")) as opened:
        history = opened.history(run)
        children = opened.runs(parent_id=run, limit=1000)[::-1]
        reasons = {one.run_id: reason_of(opened, one) for one in children if one.status is RunStatus.WAITING}
    if as_json:
        answer = make_details(history, children)
        session.terminal.emit_json(answer)
    else:
        show_details(session, history, children, reasons)
    return Exit.SUCCEEDED


@command.command("cancel")
@click.argument("run")
@journal_option
@debug_option
@click.pass_context
def cancel(ctx: click.Context, run: str, journal: str | None) -> int:
    """Ask a run to stop; a waiting one is cancelled at once.

    \b
    Example:
      intellyhub runs cancel RUN
    """
    session = ctx.find_object(Session)
    assert session is not None
    with read_journal(session, journal or ctx.meta.get("journal")) as opened:
        asked = opened.request_cancel(run)
    session.terminal.show(f"{run} {'is asked to stop' if asked else 'has already ended'}")
    return Exit.SUCCEEDED if asked else Exit.FAILED


def make_summary(row: RunSummary) -> dict[str, Any]:
    """One run of a list."""
    return {
        "run_id": row.run_id,
        "flow": row.flow,
        "version": row.version,
        "status": row.status.value,
        "started_at": iso_time(row.started_ns),
        "finished_at": None if row.finished_ns is None else iso_time(row.finished_ns),
        "steps": row.steps,
        "end_state": row.end_state,
        "error": row.error,
        "wakes_at": None if row.wake_ns is None else iso_time(row.wake_ns),
        "parent_id": row.parent_id,
        "copied_from": None if row.copied_from is None else {"run_id": row.copied_from[0], "seq": row.copied_from[1]},
    }


def make_details(history: RunHistory, children: Sequence[RunSummary]) -> dict[str, Any]:
    """One run as `runs show --json` prints it."""
    start, event = history.start, history.start.event
    end = next((entry for entry in reversed(history.entries) if isinstance(entry, RunFinished)), None)
    return {
        "run_id": start.run_id,
        "flow": start.flow,
        "version": start.version,
        "status": history.status.value,
        "started_at": iso_time(start.started_ns),
        "finished_at": None if end is None else iso_time(end.finished_ns),
        "end_state": end.end_state if end else None,
        "error": end.error if end else None,
        "output": end.output if end else None,
        "event": None
        if event is None
        else {"id": event.id, "source": event.source, "type": event.type, "time": event.time, "data": event.data},
        "variables": dict(start.variables),
        "steps": list(make_steps(history.entries)),
        "log": list(make_log(history.entries)),
        "children": [make_summary(child) for child in children],
    }


def cells(row: RunSummary) -> tuple[str, ...]:
    """A run as columns: id, status, flow, begin, steps, end state or error."""
    return (
        row.run_id,
        row.status.value,
        row.flow,
        iso_time(row.started_ns),
        str(row.steps),
        " ".join((row.error or row.end_state or "").split())[:80],
    )


def show_table(session: Session, rows: Sequence[RunSummary]) -> None:
    """A table on a terminal."""
    if not rows:
        session.terminal.show("no runs yet; try: intellyhub run FLOW")
        return
    from rich.table import Table
    from rich.text import Text

    from intellyhub_engine.cli.terminal import printable

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("run", "status", "flow", "started", "steps", "end"):
        table.add_column(title, overflow="fold" if title == "run" else "ellipsis", no_wrap=title != "end")
    for row in rows:
        run, status, flow, _, steps, end = (printable(cell) for cell in cells(row))
        started = f"{datetime.fromtimestamp(row.started_ns / 1e9):%Y-%m-%d %H:%M:%S}"  # noqa: DTZ006 (for the reader's eye)
        table.add_row(run, Text(status, status_fragment(row.status)[1]), Text(flow), started, steps, Text(end))
    session.terminal.console.print(table)


def reason_of(journal: Journal, child: RunSummary) -> str:
    """What a waiting child run waits for; its id takes the answer."""
    entries = journal.history(child.run_id).entries
    waited = next((entry for entry in reversed(entries) if isinstance(entry, RunSuspended)), None)
    return f" {waiting_for(waited)}" if waited is not None else ""


def show_details(
    session: Session, history: RunHistory, children: Sequence[RunSummary], reasons: Mapping[str, str]
) -> None:
    """One run for the eye; piped, the same lines without colour."""
    terminal, start = session.terminal, history.start
    end = next((entry for entry in reversed(history.entries) if isinstance(entry, RunFinished)), None)
    facts: list[tuple[str, Fragment]] = [
        ("run", start.run_id),
        ("flow", f"{start.flow} (version {start.version[:12]})"),
        ("status", status_fragment(history.status)),
        ("started", iso_time(start.started_ns)),
    ]
    if start.event is not None:
        facts.append(("event", f"{start.event.type} {start.event.id} from {start.event.source}"))
    if start.copied_from is not None:
        facts.append(("copied from", f"{start.copied_from[0]} step {start.copied_from[1]}"))
    if end is not None:
        facts.append(("took", duration_text(end.finished_ns - start.started_ns)))
        facts += [(name, value) for name, value in (("end state", end.end_state), ("error", end.error)) if value]
    for name, value in facts:
        terminal.show((f"{name:<12}", "bold"), value)
    with Progress(terminal, steps=True, logs=True, verbose=True) as progress:
        progress.lively = False
        for entry in history.entries:
            progress.observe(start.run_id, entry)
    for child in children:
        reason = reasons.get(child.run_id, "")
        terminal.show(("child       ", "bold"), child.run_id, " ", status_fragment(child.status), reason)


def read_journal(session: Session, given: str | None) -> closing[Journal]:
    """An existing journal, closed at the end of the block."""
    from intellyhub_engine.cli.stage import NO_JOURNAL, journal_path, open_existing

    path = journal_path(session, given)
    if path is None:
        raise InputInvalid(f"--journal {NO_JOURNAL} keeps nothing that could be shown; name a file")
    return closing(open_existing(path))
