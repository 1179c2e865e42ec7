"""What a person at a terminal sees."""

from __future__ import annotations

import os
import pty
import re
import select
import time

from tests.integration.cli.calls import COMMAND


def run_in_terminal(arguments, environment, answer_with=None):
    """Run in a pseudo-terminal; what was shown, and the exit code."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(COMMAND, [str(COMMAND), *arguments], environment)
    shown = b""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:
                break
            if answer_with and answer_with[0] in shown:
                os.write(master, answer_with[1])
                answer_with = None
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return shown.decode(), os.waitstatus_to_exitcode(status)


def terminal_environment(**more):
    return {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", **more}


def test_a_terminal_shows_every_step_its_time_and_what_to_type_next(folder):
    shown, code = run_in_terminal(["run", "count.yaml"], terminal_environment())
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert plain.count("✓ add") == 3
    assert re.search(r"more → add → more", plain)
    assert "intellyhub replay" in plain
    assert "\x1b[1;32msucceeded" in shown


def test_no_color_is_honoured(folder):
    shown, _ = run_in_terminal(["run", "count.yaml"], terminal_environment(NO_COLOR="1"))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown)


def test_a_terminal_shows_the_source_of_a_problem(folder):
    (folder / "bad.yaml").write_text("states:\n  a: {state_type: sett}\n")
    shown, code = run_in_terminal(["check", "bad.yaml"], terminal_environment())
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "")
    assert code == 2
    assert "    2 |   a: {state_type: sett}\n      |                   ^\n" in plain


def test_ctrl_c_on_a_terminal_cancels(folder):
    (folder / "s.yaml").write_text("states:\n  a: {state_type: command, command: 'echo began; sleep 30'}\n")
    shown, code = run_in_terminal(["run", "s.yaml"], terminal_environment(), answer_with=(b"a (command)", b"\x03"))
    assert code == 130
    assert "cancelling the run" in shown
    assert "Traceback" not in shown
