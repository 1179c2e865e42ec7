"""Learns from the system that something changed in a folder; `watchdog` is used here and nowhere else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.files.folders import opened

__all__ = ["watch"]


@contextlib.contextmanager
def watch(folder: Path, recursive: bool, woken: threading.Event, context: SourceContext) -> Iterator[bool]:
    """Set `woken` at every change while the context lasts. Gives False where the system will not tell."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class Waker(FileSystemEventHandler):
        # Not on_any_event: that tells of opened files and folders too, so that each look would cause the next.
        def on_created(self, event: FileSystemEvent) -> None:
            woken.set()

        on_modified = on_moved = on_deleted = on_closed = on_created

    observer = Observer()
    stack = contextlib.ExitStack()
    try:
        handle = stack.enter_context(opened(folder))
        held = f"/proc/self/fd/{handle}/."  # the very folder, whatever is put in its place
        observer.schedule(Waker(), held if Path(held).exists() else str(folder), recursive=recursive)
        observer.start()
    except OSError as fault:  # no such folder yet, or the system's limit of watches
        stack.close()
        context.log("warning", f"{folder} is looked at by the clock, because it cannot be watched: {fault}")
        yield False
        return
    try:
        yield True
    finally:
        observer.stop()
        observer.join()
        stack.close()
