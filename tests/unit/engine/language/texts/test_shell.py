"""Shell texts, run by real shells."""

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intellyhub_engine.errors import EvaluationFailed, ExpressionInvalid
from intellyhub_engine.language.expressions.codes import Code, link
from intellyhub_engine.language.texts.shell import compile_shell, environment
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import wrap

SHELLS = [shell for shell in ("/bin/sh", "/bin/bash", "/bin/dash") if shutil.which(shell)]

# A context, and what stands around the data in what it prints.
CONTEXTS = {
    "bare": ("printf %s {x}", "", ""),
    "inside a word": ("printf %s a{x}b", "a", "b"),
    "double quotes": ('printf %s "<{x}>"', "<", ">"),
    "single quotes": ("printf %s '<{x}>'", "<", ">"),
    "all quotes": ("printf %s a{x}'b{x}'\"c{x}\" >/dev/null; printf %s {x}", "", ""),
    "substitution": ('v=$(printf %s {x}; printf z); printf %s "$v"', "", "z"),
    "quoted in a substitution": ('v=$(printf %s "{x}"; printf z); printf %s "$v"', "", "z"),
    "substitution in double quotes": ('printf %s "$(printf %s {x}; printf z)"', "", "z"),
    "twice in a substitution": ('printf %s "$(printf %s "$(printf %s \'{x}\'; printf z)")"', "", "z"),
    "backticks": ('v=`printf %s {x}; printf z`; printf %s "$v"', "", "z"),
    "backticks in double quotes": ('printf %s "`printf %s {x}; printf z`"', "", "z"),
    "subshell": ("(printf %s {x})", "", ""),
    "case in a substitution": ('v=$(case a in a) printf %s {x};; esac; printf z); printf %s "$v"', "", "z"),
    "a case's subject": ("case {x} in '') printf %s '';; *) printf %s {x};; esac", "", ""),
    "assignment": ('v={x}; printf %s "$v"', "", ""),
    "parameter": ('printf %s "${nope:-{x}}"', "", ""),
    "bare parameter": ("printf %s ${nope:-{x}}", "", ""),
    "here-document": ("cat <<EOF\n<{x}>\nEOF\n", "<", ">\n"),
    "quoted here-document": ("cat <<'EOF'\n$HOME `id` \\<{x}>\nEOF\n", "$HOME `id` \\<", ">\n"),
    "indented here-document": ("cat <<-EOF\n\t<{x}>\n\tEOF\n", "<", ">\n"),
    "after a comment": ("# it's \"a {x}\nprintf %s {x} # \"and '", "", ""),
    "after a script name": ("#!/bin/sh\nprintf %s {x}", "", ""),
    "function": ('f() { printf %s "$1"; }; f {x}', "", ""),
}
AWKWARD = [
    "",
    'it\'s "q" $HOME ${HOME} `id` $(id) \\ \n;id\n\n',
    "  two  blanks ",
    "*",
    "~",
    "a\nEOF\nid",
    "'\"'\"'",
    "\\",
    "}",
    "{x}",
    "\t",
    "è😀",
    "!!",
    "#",
    "-n",
    "a=b",
    "if",
]


def run(shell: str, script: str) -> str:
    return subprocess.run([shell, "-c", script], capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_a_shell_prints_exactly_the_data(shell: str, context: str) -> None:
    text, before, after = CONTEXTS[context]
    line = link(compile_shell(text))
    for data in AWKWARD:
        if "parameter" in context and data == "":
            continue
        assert run(shell, line(Scope({"x": data}))) == before + data + after


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(CONTEXTS)),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    | st.text(st.sampled_from("'\"\\$`\n (){}<>|;&#*?[]~!=%EOF x"), max_size=30),
)
def test_a_shell_prints_whatever_the_data_is(context: str, data: str) -> None:
    text, before, after = CONTEXTS[context]
    assert run("/bin/sh", link(compile_shell(text))(Scope({"x": data}))) == before + data + after


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (3, "3"), (True, "True"), ({"a": ["è"]}, '{"a": ["è"]}'), ([1, "b"], '[1, "b"]')]
)
def test_other_values_are_shown_as_text_or_json(value: Any, shown: str) -> None:
    assert run("/bin/sh", link(compile_shell("printf %s '{x}'"))(Scope({"x": wrap(value)}))) == shown


@pytest.mark.parametrize(
    "text",
    [
        'echo ${x} $x "${x}"',
        "awk '{print $1}' f",
        "echo {a,b} {1..3} {}",
        "find . -exec ls {} \\;",
        "printf %s \\{x}",
        'printf %s "\\{x}"',
        "# {x}",
        "true;# {x}",
        'curl -d \'{"a": "b", "c": {"d": 1}}\'',
        "{ echo a; }",
        "cat <<'EOF'\n$HOME {nope,x}\nEOF",
        "echo $((1 + 2)) ${x:-{}}",
    ],
)
def test_what_is_the_shells_own_stays(text: str) -> None:
    assert link(compile_shell(text))(Scope({"x": "data", "a": 1, "c": 2})) == text


def test_a_name_that_is_unknown_stays_and_is_reported() -> None:
    scope = Scope({"x": 1})
    assert "echo {nope} " in link(compile_shell("echo {nope} {x}"))(scope)
    assert "nope" in scope.warnings[0]


def test_arithmetic_gets_numbers() -> None:
    line = link(compile_shell("echo $(( 1 -{n} )) $(( ({n} + 1) * 2 ))"))
    assert run("/bin/sh", line(Scope({"n": -5}))) == "6 -8\n"
    with pytest.raises(EvaluationFailed, match="no integer"):
        line(Scope({"n": "1.5"}))


@pytest.mark.parametrize("data", ["a\0b", "\ud800"])
def test_what_a_shell_cannot_hold_fails_the_step(data: str) -> None:
    with pytest.raises(EvaluationFailed):
        link(compile_shell("echo {x}"))(Scope({"x": data}))


def test_a_script_without_placeholders_is_a_constant() -> None:
    assert compile_shell("echo hello") == Code("constant", "echo hello")


def test_a_delimiter_that_cannot_be_unquoted_is_refused() -> None:
    with pytest.raises(ExpressionInvalid, match="END OF"):
        compile_shell("cat <<'END OF'\n{x}\nEND OF\n")


def test_quotes_nested_beyond_reason_are_refused() -> None:
    with pytest.raises(ExpressionInvalid):
        compile_shell('"$(' * 2000)


def test_the_environment_holds_the_runs_scalars() -> None:
    scope = Scope(
        wrap(
            {
                "title": "it's",
                "n": 3,
                "flag": True,
                "rate": 1.5,
                "list": [1],
                "none": None,
                "bad name": "x",
                "zero": "a\0",
            }
        ),
        outer={"TOKEN": "t", "OTHER": "o"},
    )
    assert environment(scope) == {"title": "it's", "n": "3", "flag": "True", "rate": "1.5"}
    assert environment(scope, "curl -H $TOKEN")["TOKEN"] == "t"
    assert "OTHER" not in environment(scope, "OTHER and $TOKEN")


def test_names_in_capitals_are_exported_when_the_script_mentions_them() -> None:
    scope = Scope({"REGION": "eu", "FLAG": "1"})
    assert environment(scope, "python -c 'print(environ[\"REGION\"])'") == {"REGION": "eu"}


@pytest.mark.parametrize("head", ["", "#!/bin/sh\n"])
def test_data_mentions_nothing(head: str) -> None:
    scope = Scope({"x": "it's $TOKEN '$REGION'", "y": "REGION", "REGION": "eu"}, outer={"TOKEN": "t"})
    script = link(compile_shell(head + "echo {x} '{y}'"))(scope)
    assert set(environment(scope, script)) == {"x", "y"}
    assert environment(scope, script + " $TOKEN")["TOKEN"] == "t"


def test_values_too_long_for_an_environment_are_left_out() -> None:
    scope = Scope({"big": "x" * 200_000, "small": "y", **{f"v{number}": "z" * 90_000 for number in range(20)}})
    exported = environment(scope)
    assert "big" not in exported
    assert sum(map(len, exported.values())) < 1_000_000
    subprocess.run(["/bin/true"], env=exported, check=True)
