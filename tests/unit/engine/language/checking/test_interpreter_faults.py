"""Placeholders that an inner interpreter would read as its code."""

import time

import pytest

from intellyhub_engine.language.checking.interpreter_faults import inner_interpreter
from intellyhub_engine.language.problems import Position, Severity
from tests.unit.engine.language.small import codes_of, only


@pytest.mark.parametrize(
    "script",
    [
        'sh -c "echo {x}"',
        "bash -lc 'echo {x}'",
        '/bin/sh -c "{x}"',
        'echo $(sh -c "echo {x}")',
        'sudo sh -c "cat {x} > /y"',
        "docker exec a sh -c 'echo {x}'",
        "find . -exec sh -c 'echo {x}' ';'",
        "xargs sh -c 'echo {x}'",
        "sh <<EOF\necho {x}\nEOF\n",
        "bash <<'E'\necho {x}\nE\n",
        "eval echo {x}",
        'eval "echo {x}"',
        "trap 'rm {x}' EXIT",
        "ssh host ls {x}",
        'su - bob -c "ls {x}"',
        "python3 -u -c \"print('{x}')\"",
        "python3 <<EOF\nprint('{x}')\nEOF",
        "perl -e 'print \"{x}\"'",
        "awk -F: '{print $1, \"{x}\"}' f",
        "sed -i 's/a/{x}/' f",
        "sqlite3 db.sqlite \"select '{x}'\"",
        "psql -h h -c \"select '{x}'\"",
    ],
)
def test_a_placeholder_inside_an_inner_program_is_found(script):
    assert [source for _, source, _ in inner_interpreter(script)] == ["{x}"]


@pytest.mark.parametrize(
    "script",
    [
        "echo {x}",
        "sh -c 'echo \"$1\"' sh {x}",
        'sh -c \'echo "$1"\' sh "{x}"',
        "bash script.sh {x}",
        "python3 tool.py -c {x}",
        "python3 -c 'import sys; print(sys.argv[1])' \"{x}\"",
        "sed 's/a/b/' {x}",
        "awk '{print $1}' {x}",
        "perl -pe 's/a/b/' {x}",
        "sqlite3 {x} 'select 1'",
        "cat <<EOF\n{x}\nEOF\n",
        "sh <<EOF\necho a\nEOF\necho {x}",
        'eval "$a"; echo {x}',
        "ssh-keygen -f {x}",
        "curl -c {x}",
        "cat {x} | sh",
    ],
)
def test_a_value_handed_over_as_an_argument_is_no_problem(script):
    assert list(inner_interpreter(script)) == []


def test_it_is_a_warning_at_the_place_of_the_placeholder():
    problem = only('states:\n  a:\n    type: command\n    shell: sh -c "echo {x}"\n', "nested-interpreter")
    assert (problem.severity, problem.position) == (Severity.WARNING, Position(4, 24))


def test_a_script_without_inner_programs_has_no_such_problem():
    assert "nested-interpreter" not in codes_of("states: {a: {type: command, shell: 'echo {x}'}}")


@pytest.mark.parametrize(
    "script", ["ssh " + '"a' * 3000 + "{x} " * 100, ("mysql " * 300 + "-c " * 200 + "'{x}' ") * 10]
)
def test_looking_takes_no_time_to_speak_of(script):
    began = time.perf_counter()
    list(inner_interpreter(script))
    assert time.perf_counter() - began < 2
