"""The `directory` source: one event for every file that appeared, changed or went."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.settings import settings
from intellyhub_functions.sources.backoff import Backoff
from intellyhub_functions.sources.directory.faults import KINDS
from intellyhub_functions.sources.directory.snapshot import Change, Snapshot, compare, take_snapshot
from intellyhub_functions.sources.directory.waking import watch
from intellyhub_functions.sources.patterns import Patterns, make_patterns, read_kinds

__all__ = ["listen"]

EVENT_TYPE = "io.intellyhub.directory.change"
SHARE_OF_A_CORE = 0.1
"""What a listener may use: a folder that takes long to look at is looked at the more seldom."""
UNWATCHED_SECONDS = 30.0
"""How often the folder is looked at although the system reports no change: network folders report none."""


def listen(parameters: Mapping[str, Any], context: SourceContext) -> Iterator[Event]:
    """Compare the folder with what it held, also over a restart; a file counts once it rests for `poll_interval`."""
    folder = place(text_of(parameters.get("path") or "."), context.workspace, also=settings().directories)
    kinds = read_kinds(parameters.get("events", ["created", "modified"]), KINDS)
    patterns = make_patterns(parameters.get("file_patterns", ["*"]), parameters.get("ignore_patterns", []))
    recursive = bool(parameters.get("recursive", True))
    rest_seconds = shortest_rest_seconds = float(parameters.get("poll_interval", 1.0))
    look = Look(folder, patterns, recursive, bool(parameters.get("emit_existing")), context)
    backoff = Backoff(context, most_seconds=60.0)
    woken = threading.Event()
    while not context.stopping.is_set():
        with watch(folder, recursive, woken, context) as watched:
            stays = functools.partial(is_still, folder, identity(folder))
            while stays() and not context.stopping.is_set():
                used = time.thread_time()
                try:
                    settled, restless = look.again()
                except OSError as fault:
                    reason = (fault.strerror or str(fault)).lower()
                    backoff.fail(RetryableError(f"{folder}: {reason}"), "the directory listener")
                    continue
                backoff.succeed()
                for change in settled:
                    if change.kind in kinds:
                        yield make_event(change, folder, context)
                look.accept(settled)
                used = time.thread_time() - used
                seconds = rest_seconds if restless or not watched else UNWATCHED_SECONDS
                rest_seconds = max(shortest_rest_seconds, used / SHARE_OF_A_CORE)
                pause(woken, seconds, rest_seconds, stays, context)
        context.sleep(min(rest_seconds, 0.5))


def identity(folder: Path) -> tuple[int, int] | None:
    """Which folder it is; None where there is none. One that was replaced has to be watched anew."""
    try:
        facts = folder.lstat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def is_still(folder: Path, known: tuple[int, int] | None) -> bool:
    """Whether it is the folder that it was."""
    return identity(folder) == known


class Look:
    """What the folder held when it was last looked at, and what has been told of it."""

    def __init__(
        self, folder: Path, patterns: Patterns, recursive: bool, emit_existing: bool, context: SourceContext
    ) -> None:
        self._folder = folder
        self._patterns = patterns
        self._recursive = recursive
        self._emit_existing = emit_existing
        self._cursors = context.cursors
        self._place = f"directory {folder}"
        self._previous: Snapshot = {}
        kept = self._cursors.get(self._place)
        self._told: Snapshot | None = (
            None if kept is None else {path: (mark[0], mark[1]) for path, mark in kept.items()}
        )

    def again(self) -> tuple[list[Change], bool]:
        """The changes of files that rested since the last look, and whether there are others."""
        now = take_snapshot(self._folder, self._patterns, recursive=self._recursive)
        if self._told is None:
            self._told = {} if self._emit_existing else now
            self._cursors.put(self._place, self._told)
        changes = compare(self._told, now)
        settled = [change for change in changes if self._previous.get(change.path) == change.present]
        self._previous = now
        return settled, len(settled) < len(changes)

    def accept(self, changes: list[Change]) -> None:
        """Remember that these have been told."""
        assert self._told is not None
        for change in changes:
            if change.present is None:
                self._told.pop(change.path, None)
            else:
                self._told[change.path] = change.mark
        if changes:
            self._cursors.put(self._place, self._told)


def pause(
    woken: threading.Event,
    most_seconds: float,
    rest_seconds: float,
    stays: Callable[[], bool],
    context: SourceContext,
) -> None:
    """Wait for a change, at most so long and only while the folder is the same; then give it time to complete."""
    waited, step = 0.0, min(rest_seconds, 0.5)
    while waited < most_seconds and not woken.is_set() and stays() and not context.sleep(step):
        waited += step
    if woken.is_set():
        woken.clear()
        context.sleep(rest_seconds)


def make_event(change: Change, folder: Path, context: SourceContext) -> Event:
    """The event of a change; its id is that of the file's state, so that a repetition is known as one."""
    path = folder / change.path
    modified_ns, size = change.mark
    identity = f"{change.kind} {path} {modified_ns} {size}"
    parent = shown(path.parent, context.workspace)
    return Event(
        id=hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32],
        source=context.address,
        type=EVENT_TYPE,
        subject=change.path,
        datacontenttype="application/json",
        data={
            "event_type": change.kind,
            "file_path": shown(path, context.workspace),
            "file_name": path.name,
            "file_dir": parent,
            "directory": parent,
            "file_size": size,
            "timestamp": modified_ns / 1e9,
        },
    )
