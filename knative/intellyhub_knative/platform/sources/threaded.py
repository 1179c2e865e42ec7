"""Sources that block while they listen (directory, telegram): each has a thread of its own."""

from __future__ import annotations

import threading
import time

from intellyhub_engine.errors import JournalError
from intellyhub_engine.events import Event
from intellyhub_engine.machine.source import Listen
from intellyhub_knative.platform.sources.source import Source

__all__ = ["listen_in_thread"]

LOOK_SECONDS = 0.1
"""How often the end of the source before is looked for."""


def listen_in_thread(source: Source, listen: Listen) -> threading.Thread:
    """Listen until the source is stopped; begin again, ever later, when it breaks."""
    thread = threading.Thread(
        target=work, args=(source, listen), name=f"source-{source.deployment.flow_id[:8]}", daemon=True
    )
    thread.start()
    return thread


def work(source: Source, listen: Listen) -> None:
    stopping = source.context.stopping
    while not source.may_begin():
        time.sleep(LOOK_SECONDS)
    try:
        while not stopping.is_set():
            try:
                take_all(source, listen)
            except Exception as fault:  # noqa: BLE001 - the edge between the host and a source: `fail` logs it
                stopping.wait(source.fail(fault))
    finally:
        source.ended.set()


def take_all(source: Source, listen: Listen) -> None:
    """Take the source's events until it ends. It is asked for the next when the last is on the disk."""
    parameters = source.resolve()
    for event in listen(parameters, source.context):
        if not store(source, event):
            return
        seconds = source.pace.take()
        if seconds and source.context.stopping.wait(seconds):
            return
    if not source.context.stopping.is_set():
        raise RuntimeError("the source ended by itself")


def store(source: Source, event: Event) -> bool:
    """Store an event, however long the journal is away; False when the source has to end before."""
    while not source.context.stopping.is_set():
        try:
            source.hand_over(event)
        except JournalError as fault:
            source.context.stopping.wait(source.wait_for_journal(fault))
        else:
            return True
    return False
