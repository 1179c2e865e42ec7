"""Ways for what an event says to become code, or to choose what code does: each must fail."""

import subprocess

import pytest

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.conditions import compile_condition
from intellyhub_engine.language.texts.python_blocks import block_namespace, compile_block, run_block
from intellyhub_engine.language.texts.shell import compile_shell, environment
from intellyhub_engine.language.texts.templates import compile_template
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import Record, TextRecord, ValueRecord, wrap
from intellyhub_engine.language.values.variables import resolve_variables


def condition(text: str, **variables: object) -> bool:
    return bool(link(compile_condition(text))(Scope(wrap(variables))))


def template(text: str, **variables: object) -> object:
    return link(compile_template(text))(Scope(wrap(variables)))


HOSTILE = [
    "{OPENAI_API_KEY}",
    "${OPENAI_API_KEY}",
    "$OPENAI_API_KEY",
    "{{ OPENAI_API_KEY }}",
    "{% for a in b %}{{ OPENAI_API_KEY }}{% endfor %}",
    "' or True or '",
    '" or True or "',
    "') or __import__('os').system('true') or ('",
    'it\'s "quoted" `id` $(id) ${x} \\ {x} %s \n newline',
    "'; rm -rf / #",
    "\\'",
    "'''",
    '"""',
    "{x.__class__}",
    "{0}",
    "}{",
    "\x00",
]
SECRETS = {"OPENAI_API_KEY": "sk-secret"}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_an_event_says_stays_text_in_a_template(text: str) -> None:
    scope = Scope(wrap({"message": text, "event": {"text": text}}), outer=SECRETS)
    assert link(compile_template("{message}"))(scope) == text
    assert link(compile_template("> {event.text} <"))(scope) == f"> {text} <"
    assert link(compile_template("{% if message %}{{ message }}{% endif %}{message}"))(scope) == text + text
    assert link(compile_template("$message", dollar_names=True))(scope) == text
    assert link(compile_template({"a": ["{message}"]}))(scope) == {"a": [text]}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_an_event_says_stays_text_in_a_condition(text: str) -> None:
    scope = Scope(wrap({"message": text, "other": text}), outer=SECRETS)
    assert link(compile_condition("'{message}' == other and {message} == other and message == '{other}'"))(scope)
    assert not link(compile_condition("'{message}' == 'sk-secret' or 'sk-' in '{message}'"))(scope)
    assert link(compile_condition("len('{message}') == len(other)"))(scope)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_an_event_says_stays_text_in_a_block(text: str) -> None:
    block = link(compile_block("a = 'Echo: {message}'\nb = f'{message}'\n'{message}'"))(Scope())
    namespace = block_namespace(block, Scope(wrap({"message": text}), outer=SECRETS))
    value, changes, _ = run_block(block, namespace)
    assert (value, changes) == (text, {"a": f"Echo: {text}", "b": text})


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\x00" not in text])
@pytest.mark.parametrize("script", ["printf %s {message}", 'printf %s "{message}"', "printf %s '{message}'"])
def test_what_an_event_says_stays_text_in_a_shell(text: str, script: str) -> None:
    line = link(compile_shell(script))(Scope({"message": text}, outer=SECRETS))
    assert subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True).stdout.decode() == text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_an_event_says_stays_text_in_the_variables(text: str) -> None:
    scope = Scope({"message": text}, outer=SECRETS)
    assert resolve_variables({"greeting": "{copy}!", "copy": "{message}"}, scope) == {
        "greeting": f"{text}!",
        "copy": text,
    }


def test_arithmetic_of_a_shell_takes_numbers_only() -> None:
    line = link(compile_shell("echo $(( {n} + 1 ))"))
    assert "(-4)" in line(Scope({"n": "-4"}))
    with pytest.raises(EvaluationFailed):
        line(Scope({"n": "a[$(touch /tmp/x)]"}))


def test_bash_does_not_evaluate_what_is_compared() -> None:
    line = link(compile_shell('[[ "{n}" -eq 3 ]] && echo yes'))
    with pytest.raises(EvaluationFailed):
        line(Scope({"n": "a[$(touch /tmp/x)]"}))


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "BASH_ENV",
        "ENV",
        "IFS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PERL5OPT",
        "NODE_OPTIONS",
        "GIT_SSH_COMMAND",
        "http_proxy",
        "HTTPS_PROXY",
        "PS4",
        "PROMPT_COMMAND",
        "SHELLOPTS",
        "a b",
        "1a",
        "BASH_FUNC_x%%",
        "GCONV_PATH",
        "RUBYOPT",
        "JAVA_TOOL_OPTIONS",
        "LESSOPEN",
        "DYLD_INSERT_LIBRARIES",
        "HOME",
        "",
    ],
)
def test_an_event_cannot_choose_what_a_shell_obeys(name: str) -> None:
    assert environment(Scope({name: "evil"}), f"echo {name} ${name}") == {}


@pytest.mark.parametrize("name", ["__class__", "__init__", "__deepcopy__", "__len__", "__iter__", "__getattr__"])
@pytest.mark.parametrize("kind", [Record, TextRecord, ValueRecord])
def test_a_key_named_like_a_method_is_data(name: str, kind: type[Record]) -> None:
    import copy
    import json

    record = kind({name: "evil", "a": 1})
    assert copy.deepcopy(record)["a"] == 1
    assert json.loads(json.dumps(wrap(record))) == {name: "evil", "a": 1}
    assert isinstance(record, kind)
    assert record.__class__ is kind


def test_a_key_named_like_a_method_does_not_replace_it() -> None:
    scope = Scope(wrap({"r": {"get": "evil", "items": "evil", "keys": 1, "a": 2}}))
    assert link(compile_condition("r.get('a') == 2 and len(r.items()) == 4 and r.get == 'evil'"))(scope)


def test_compiled_code_knows_no_builtins() -> None:
    function = link(compile_condition("x == 'text' and len(items) > 1"))
    assert function.__globals__["__builtins__"] == {}


def test_nothing_that_can_be_called_comes_out_of_a_template() -> None:
    for text in ("{len}", "{now}", "{x.upper}", "{r.get}", "{r.items}", "{import datetime; datetime.datetime.now}"):
        assert template(text) == text
