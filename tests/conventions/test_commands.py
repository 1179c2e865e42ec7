"""The commands that the README, the Makefile and the CI name are the same ones."""

import re
import subprocess

import pytest

from tests.conventions.house import ROOT, text

TARGETS = re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE)


@pytest.mark.parametrize("target", TARGETS)
def test_make_help_lists_every_target(target):
    answer = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True)
    assert re.search(rf"^  make {target} +\S", answer.stdout, re.MULTILINE)


@pytest.mark.parametrize("target", ["help", "setup", "run", "test", "check", "bench", "image", "lock", "clean"])
def test_the_makefile_has_the_documented_target(target):
    assert target in TARGETS


def test_ci_runs_the_test_command_and_nothing_else():
    commands = [line for line in text(".ci/run").splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]


def test_every_make_command_of_the_readme_exists():
    assert [command for command in readme_commands() if command not in {f"make {target}" for target in TARGETS}] == []


def test_the_readme_names_the_command_that_ci_runs():
    assert "make test" in readme_commands() or not (ROOT / "README.md").exists()


def readme_commands():
    """Return the make commands that stand in the README's code blocks."""
    page = text("README.md") if (ROOT / "README.md").exists() else ""
    blocks = "\n".join(re.findall(r"^```[a-z]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    return re.findall(r"^(?:\$ )?(make(?: [a-z-]+)?)", blocks, re.MULTILINE)
