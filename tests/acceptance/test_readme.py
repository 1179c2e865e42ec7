"""The README and the quickstart do what they say: every `sh` example runs, and prints what stands below it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
GUIDES = ["README.md", "docs/quickstart.md"]
FENCE = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
SETUP = ["make run", "make test"]


class Example(NamedTuple):
    """A script and what it prints; `…` stands for anything."""

    script: str
    expected: str | None


def read_examples(guide: str) -> list[Example]:
    """The `sh` blocks of a guide, each with the `text` block that follows it."""
    blocks = [(found["kind"], found["body"]) for found in FENCE.finditer((ROOT / guide).read_text(encoding="utf-8"))]
    following = [*blocks[1:], ("", "")]
    return [
        Example(body, after[1] if after[0] == "text" else None)
        for (kind, body), after in zip(blocks, following, strict=True)
        if kind == "sh"
    ]


def commands_of(script: str) -> list[str]:
    return [line.partition("#")[0].strip() for line in script.splitlines() if line.strip()]


@pytest.fixture
def folder(tmp_path):
    """A copy of what a reader of the guides has before them, with the command where `make run` leaves it."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(BIN)
    return tmp_path


@pytest.mark.parametrize("guide", GUIDES)
def test_the_examples_of_a_guide_run_and_print_what_it_says(guide, folder):
    environment = {
        "PATH": f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "LANG": "C.UTF-8",
    }
    for example in read_examples(guide):
        if commands_of(example.script) == SETUP:
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example.script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, f"{example.script}\n{done.stdout}\n{done.stderr}"
        if example.expected is not None:
            pattern = ".*".join(re.escape(part.strip(" ")) for part in example.expected.strip().split("…"))
            assert re.fullmatch(pattern, done.stdout.strip(), re.DOTALL), f"{example.script}\nprinted:\n{done.stdout}"


def test_the_readme_needs_two_commands_to_set_up():
    first = read_examples("README.md")[0]
    assert commands_of(first.script) == SETUP
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "test"} <= set(targets)


def test_the_continuous_integration_runs_the_readme_s_test_command():
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert [line.removeprefix("exec ") for line in lines if "make" in line] == ["make test"]


@pytest.mark.parametrize("guide", GUIDES)
def test_every_link_of_a_guide_leads_somewhere(guide):
    text = (ROOT / guide).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    missing = [target for target in targets if not ((ROOT / guide).parent / target).exists()]
    assert targets or guide != "README.md"
    assert missing == []


def test_what_make_run_does_ends_well_and_shows_what_came_out(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stdout + done.stderr
    assert done.stdout.count("event io.intellyhub.rss.article") == 5
    assert "5 articles, 3 messages" in done.stdout
    assert "telegram-bot" in done.stdout
