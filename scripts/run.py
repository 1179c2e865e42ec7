"""Starts the platform of this checkout: builds the console where that is needed, then `intellyhub up`.

    python scripts/run.py [--port PORT] [--data DIR] [--host HOST] [--verbose]

Everything is kept in `.intellyhub` of this folder, unless --data or INTELLYHUB_DATA says otherwise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from intellyhub_engine.cli.main import main as intellyhub

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "scripts" / "console.py"
DATA = "INTELLYHUB_DATA"


def main(arguments: Sequence[str]) -> int:
    """Build, run, and return the exit code of `intellyhub up`: 0 after Ctrl-C."""
    if subprocess.run([sys.executable, CONSOLE], check=False).returncode != 0:
        print("run: the console could not be built (see above); the API works without it", file=sys.stderr)
    os.environ.setdefault(DATA, str(ROOT / ".intellyhub"))
    with own_terminal():
        return intellyhub(["up", *arguments])


@contextmanager
def own_terminal() -> Iterator[None]:
    """Be the terminal's foreground group alone, so that Ctrl-C stops the platform in order, and make, which waits for
    it, sees a command that ended well. Ctrl-Z is off meanwhile: the shell would not see that anything stopped."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # there is none, as in a container or a service
        yield
        return
    former = os.getpgrp()
    try:
        if os.tcgetpgrp(terminal) != former or former == os.getpid():
            yield  # in the background, or called without make: nothing to take
            return
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        try:
            yield
        finally:
            os.tcsetpgrp(terminal, former)
    finally:
        os.close(terminal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
