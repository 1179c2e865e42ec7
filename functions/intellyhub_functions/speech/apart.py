"""Runs one of `speech.programs` in a process of its own: a library that crashes fails its step, not its worker.

The request goes as a JSON file, everything else in files beside it, in a scratch folder that is removed at the end.
That is not in the workspace, where a flow could lead it elsewhere: listeners run outside of walls. Limits, deadline and
cancellation are those of every program that a flow starts.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intellyhub_engine.blocks.blocks import blocks_of
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.step import Step

__all__ = ["run_apart", "scratch_folder"]

START = (
    "import sys; sys.path[:] = {path!r}; from intellyhub_functions.speech.programs.{program} import main;"
    " sys.exit(main())"
)
REQUEST = "request.json"
MAX_SAID_CHARACTERS = 300
REASONS = {
    signal.SIGXCPU: ": it took more processor time than programs of flows get",
    signal.SIGKILL: "; perhaps the system ran out of memory",
}


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for one run, that nobody else can enter."""
    with tempfile.TemporaryDirectory(prefix="intellyhub-speech-") as folder:
        yield Path(folder)


def run_apart(program: str, request: Mapping[str, Any], folder: Path, step: Step, *, name: str) -> None:
    """Run `speech.programs.<program>` on the request. Raises PermanentError in its words where it fails; `name` is what
    messages call it."""
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
    start = START.format(path=[entry for entry in sys.path if entry], program=program)
    ended = blocks_of(step).run_program([sys.executable, "-I", "-S", "-c", start, str(folder)], step)
    if ended.returncode < 0:
        ender = signal.Signals(-ended.returncode)
        raise PermanentError(f"{name} was ended by {ender.name}{REASONS.get(ender, '')}")
    if ended.returncode:
        said = " ".join((ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1].split())
        raise PermanentError(f"{name}: {said[:MAX_SAID_CHARACTERS]}")
