"""Every example of docs/expressions.md does what it says."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.conditions import compile_condition
from intellyhub_engine.language.texts.python_blocks import block_namespace, compile_block, run_block
from intellyhub_engine.language.texts.shell import compile_shell, environment
from intellyhub_engine.language.texts.templates import compile_template
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import wrap

GUIDE = (Path(__file__).parents[5] / "docs" / "expressions.md").read_text()
VARIABLES = wrap(json.loads(re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)[0]))
ROW = re.compile(r"^\| `(.*)` \| `(.*)` \|$")


def template(text: str, scope: Scope) -> Any:
    return link(compile_template(text))(scope)


def condition(text: str, scope: Scope) -> bool:
    return bool(link(compile_condition(text))(scope))


def shell(text: str, scope: Scope) -> str:
    script = link(compile_shell(text))(scope)
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, env=environment(scope, script))
    return done.stdout.decode().rstrip("\n")


def block(text: str, scope: Scope) -> Any:
    compiled = link(compile_block(text))(scope)
    return run_block(compiled, block_namespace(compiled, scope))[0]


TABLES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("template", "result"): (template, lambda text: text),
    ("template", "result as JSON"): (template, json.loads),
    ("condition", "holds"): (condition, json.loads),
    ("script", "prints"): (shell, lambda text: text),
    ("block", "value as JSON"): (block, json.loads),
}


def examples() -> list[Any]:
    found, table = [], None
    for line in GUIDE.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if cells in TABLES:
            table = TABLES[cells]
        elif row := ROW.match(line):
            assert table is not None
            found.append(pytest.param(*table, row[1].replace("\\|", "|"), row[2], id=row[1][:50]))
        elif not line.startswith("|"):
            table = None
    return found


def test_the_guide_has_examples_of_everything() -> None:
    assert len(examples()) > 40


@pytest.mark.parametrize(("use", "read", "text", "shown"), examples())
def test_an_example_of_the_guide_does_what_it_says(use: Any, read: Any, text: str, shown: str) -> None:
    answer = use(text, Scope(VARIABLES))
    expected = read(shown)
    assert answer == expected or (use is template and str(answer) == expected)
