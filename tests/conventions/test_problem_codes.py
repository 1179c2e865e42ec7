"""Every problem of a flow text is documented, can happen, and is shown by a test."""

import re

import pytest

from intellyhub_engine.language.problems import ProblemCode
from tests.conventions.house import ROOT, text

CODE = [path for path in (ROOT / "engine").rglob("*.py") if path.name != "problems.py"]
TESTS = [path for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name != "conventions"]


def documented():
    return re.findall(
        r"^\| `([a-z-]+)` \| (?:error|warning) \| \S.+ \| \S.+ \|$", text("docs/problems.md"), re.MULTILINE
    )


def test_every_problem_code_is_documented_once_with_meaning_and_remedy():
    assert sorted(documented()) == sorted(code.value for code in ProblemCode)


@pytest.mark.parametrize("code", list(ProblemCode))
def test_every_problem_code_is_used(code):
    assert any(f"ProblemCode.{code.name}" in path.read_text(encoding="utf-8") for path in CODE)


@pytest.mark.parametrize("code", list(ProblemCode))
def test_every_problem_code_is_shown_by_a_test(code):
    sources = (path.read_text(encoding="utf-8") for path in TESTS)
    assert any(f'"{code}"' in source or f"ProblemCode.{code.name}" in source for source in sources)
