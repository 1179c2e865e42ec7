"""How long the control plane's SQL takes: loaded into its processes as a catalogue without entries.

Every statement's time is appended, as a double in seconds, to the file that INTELLYHUB_BENCH_SQL names.
"""

from __future__ import annotations

import os
import sys
import time
from array import array
from pathlib import Path
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue

__all__ = ["CATALOGUE", "read_times"]

VARIABLE = "INTELLYHUB_BENCH_SQL"
TOGETHER = 100
CATALOGUE = Catalogue()


def listen(file: Path) -> None:
    """Time each statement of every engine of this process and of those forked from it."""
    from sqlalchemy import Engine, event

    held = array("d")

    @event.listens_for(Engine, "before_cursor_execute")
    def begin(_connection: Any, _cursor: Any, _text: Any, _values: Any, context: Any, _many: Any) -> None:
        context.began = time.perf_counter()

    @event.listens_for(Engine, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, _text: Any, _values: Any, context: Any, _many: Any) -> None:
        held.append(time.perf_counter() - context.began)
        if len(held) >= TOGETHER:
            written, held[:] = held.tobytes(), array("d")
            with file.open("ab") as opened:
                opened.write(written)


def read_times(file: Path) -> array[float]:
    """What was written, in seconds."""
    times = array("d")
    if file.exists():
        content = file.read_bytes()
        times.frombytes(content[: len(content) // 8 * 8])
    return times


if VARIABLE in os.environ and "sqlalchemy" in sys.modules:
    listen(Path(os.environ[VARIABLE]))
