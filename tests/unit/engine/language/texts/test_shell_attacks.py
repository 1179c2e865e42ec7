"""Values of an event that bash would run where it calculates, run by a real bash: quotes do not help there, because
bash evaluates what it has expanded."""

import shutil
import subprocess

import pytest

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.shell import compile_shell, environment
from intellyhub_engine.language.values.scope import Scope

BASH = shutil.which("bash")
COMMAND = "touch PWNED"
HOSTILE = (
    f"a[$({COMMAND})]",
    f"a[`{COMMAND}`]",
    f"1+a[$({COMMAND})]",
    f"x[$({COMMAND})]=1",
    f'a["]"$({COMMAND})]',
    f"$({COMMAND})",
    f"'; {COMMAND}; '",
    f'"; {COMMAND}; "',
    f"\n{COMMAND}\n",
    f")) ; {COMMAND}",
)
EVALUATING = (
    "y={x}; echo $((y))",
    "let z={x}",
    "a=(1 2); echo ${a[{x}]}",
    'a=(1 2); echo "${a[{x}]}"',
    "a[{x}]=1",
    "[[ -v {x} ]]",
    "test -v {x}",
    "test -v 'm[{x}]'",
    "declare -A m; unset 'm[{x}]'",
    "declare {x}=1",
    "declare -i n={x}",
    "printf -v {x} a",
    "read {x} <<< a",
    "y=abc; echo ${y:{x}}",
    'y=abc; echo "${y:{x}}"',
    "echo $[ {x} + 1 ]",
    'echo "$[{x}]"',
    "[[ {x} \\\n -eq 1 ]]",
    "[[ {x}+1 -eq 1 ]]",
    "[[ 1 -eq 1+{x} ]]",
    "[[ '{x}' -eq 1 ]]",
    '[[ "{x} " -eq 1 ]]',
    "for ((i={x}; i<1; i++)); do :; done",
    "echo $((x + 1))",
    "[[ $x -gt 3 ]]",
    "y=x; echo $((y))",
)


def run(script, folder, **names):
    scope = Scope(names)
    text = link(compile_shell(script))(scope)
    exported = {"PATH": "/usr/bin:/bin", **environment(scope, text)}
    return subprocess.run([str(BASH), "-c", text], cwd=folder, env=exported, capture_output=True, text=True, timeout=10)


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize("script", EVALUATING)
def test_a_value_is_not_run_where_bash_calculates(script, tmp_path):
    for value in HOSTILE:
        try:
            run(script, tmp_path, x=value)
        except EvaluationFailed:
            continue
        assert not (tmp_path / "PWNED").exists(), value


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_harmless_values_still_reach_scripts_that_calculate(tmp_path):
    script = 'a=(one two); [[ {x} == "see [1]" ]] && echo "${a[{i}]} $((n + 1))"'
    assert run(script, tmp_path, x="see [1]", i=1, n="4").stdout == "two 5\n"


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_text_that_looks_hostile_may_pass_where_nothing_calculates(tmp_path):
    assert run("printf %s {x}", tmp_path, x=HOSTILE[0]).stdout == HOSTILE[0]


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "IFS", "PS4", "PATH", "PYTHONPATH", "BASH_ENV", "BASH_FUNC_x%%", "ENV", "GIT_SSH_COMMAND"]
)
def test_names_that_shells_and_loaders_obey_are_never_exported(name):
    assert name not in environment(Scope({name: "evil"}), f"echo ${name} {name}")
