"""Imports go one way: the contracts in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from tests.conventions.house import ROOT


def test_no_import_goes_against_the_layers():
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    answer = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
