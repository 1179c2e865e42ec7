"""The commands of docs/api.md do what the page says, on a whole platform."""

import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.control_plane.house import data_folder

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
PASSWORD = "a password for tests"
MARK = "--- next ---"


def commands_of(page):
    """Each command with the lines that it prints, in the order of the page."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = command.splitlines()
            length = command_length(lines)
            found.append(("\n".join(lines[:length]), lines[length:]))
    return found


def command_length(lines):
    """How many lines a command takes: continued ones, and the document after `<<'YAML'`."""
    if lines[0].endswith("<<'YAML'"):
        return lines.index("YAML") + 1
    return next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))


@contextmanager
def platform(folder):
    """A whole platform; the address that it prints once it is ready."""
    environment = {**os.environ, "INTELLYHUB_ADMIN_PASSWORD": PASSWORD, "PYTHONUNBUFFERED": "1"}
    command = [str(Path(sys.executable).with_name("intellyhub")), "up", "--port", "0", "--data", str(folder)]
    with (
        (folder.parent / "up.err").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            ready = next(line for line in process.stdout if line.startswith("Console: "))
            threading.Thread(target=process.stdout.read).start()
            yield ready.split()[1].rstrip("/")
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl and jq are not installed")
def test_the_walkthrough_does_what_it_says(tmp_path):
    with data_folder() as layout, platform(layout.data / "hub") as address:
        place = address.removeprefix("http://")
        commands = commands_of(PAGE.read_text().replace("localhost:5000", place))
        assert len(commands) > 15
        script = "\n".join(f"{command}\necho '{MARK}'" for command, _ in commands)
        environment = {**os.environ, "PASSWORD": PASSWORD}
        said = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50
        )
    answers = [part.strip().splitlines() for part in said.stdout.split(MARK)]
    for (command, expected), answer in zip(commands, answers, strict=False):
        assert answer == expected, f"{command}\n{said.stderr}"
