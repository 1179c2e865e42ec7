"""Jinja blocks, translated."""

from typing import Any

import pytest

from intellyhub_engine.errors import EvaluationFailed, ExpressionInvalid
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.templates import compile_template, has_jinja
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import wrap

STEPS = [{"title": "a", "parts": ["p", "q"], "n": 1}, {"title": "b", "n": 2}]


def rendered(text: str, **variables: Any) -> str:
    shown = link(compile_template(text))(Scope(wrap({"steps": STEPS, "name": "Bo", **variables})))
    assert isinstance(shown, str)
    return shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ name }} {name}", "Bo Bo"),
        ("{% for s in steps %}{{ loop.index }}.{{ s.title }} {% endfor %}", "1.a 2.b "),
        ("{% for s in steps[:1] %}{{ s.title }}{% endfor %}", "a"),
        ("{% for s in steps %}{s.title}{name} {% endfor %}", "aBo bBo "),
        ("{% for s in steps %}{% if s.parts %}{{ s.parts | join(', ') }}{% else %}-{% endif %}{% endfor %}", "p, q-"),
        ("{% for s in steps if s.n > 1 %}{{ loop.index0 }}{{ s.title }}{{ loop.last }}{% endfor %}", "0bTrue"),
        ("{% for s in nothing %}x{% else %}none{% endfor %}", "none"),
        ("{% for a in nothing.articles[:10] %}x{% endfor %}|{{ nothing[:3] }}", "|[]"),
        ("{{ nothing|length }}{{ nothing|join(',') }}{{ nothing|map('upper')|list }}{{ nothing|sum }}", "0[]0"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        (
            (
                "{% for a in [1, 2] %}{% for a in 'xy' %}{{ a }}{{ loop.index }}{% endfor %}"
                "{{ a }}{{ loop.index }}{% endfor %}"
            ),
            "x1y211x1y222",
        ),
        ("{% for a in [1, 2, 3] %}{{ loop.cycle('odd', 'even') }} {% endfor %}", "odd even odd "),
        ("{{ (steps|length * 2 + 1) }} {{ steps|map(attribute='n')|sum }}", "5 3"),
        ("{{ steps|map(attribute='title')|map('upper')|join('-') }}", "A-B"),
        ("{{ (steps|map(attribute='parts')|map('length')|list) if false else 'no' }}", "no"),
        ("{{ steps|selectattr('parts')|list|length }}{{ steps|rejectattr('n', 'gt', 1)|list|length }}", "11"),
        (
            "{{ [3, 1, 2]|sort|reverse|first }} {{ [1, 2, 3]|select('odd')|list }} {{ [1, 1]|unique|list }}",
            "3 [1, 3] [1]",
        ),
        ("{% if steps is defined and nope is not defined and 4 is divisibleby 2 %}yes{% endif %}", "yes"),
        ("{% if false %}a{% elif name == 'Bo' %}b{% else %}c{% endif %}", "b"),
        ("{% set t = 0 %}{% for s in steps %}{% set t = t + s.n %}{% endfor %}{{ t }}", "3"),
        ("{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"),
        ("{{ nope }}{{ nope.x.y }}{{ steps[9].title }}{{ name.nope }}|{{ nope|default('d') }}", "|d"),
        ("{{ 'a' ~ 1 ~ name }} {{ 1 if true }} {{ name if name else '' }}", "a1Bo 1 Bo"),
        (
            "{{ name|truncate(1, true, '') }}{{ '<b>'|e }}{{ 'a b'|urlencode }}{{ {'a': 1}|tojson }}",
            'B&lt;b&gt;a%20b{"a": 1}',
        ),
        ("{%- for s in steps -%} {{ s.n }} {%- endfor -%} !", "12!"),
        ("{# a comment {{ name }} #}{% raw %}{{ % }}{% endraw %}\n", "{{ % }}\n"),
        ("{{ now().year > 2000 }} {{ range(3)|join }} {{ 'x' in 'xyz' }} {{ not true }}", "True 012 True False"),
    ],
)
def test_a_jinja_text_is_rendered(text: str, shown: str) -> None:
    assert rendered(text) == shown


def test_what_is_printed_is_never_rendered_again() -> None:
    assert rendered("{{ name }} {name} {% if 1 %}{{ name }}{% endif %}", name="{{ steps }} {steps}") == " ".join(
        ["{{ steps }} {steps}"] * 3
    )


def test_a_missing_name_is_reported() -> None:
    scope = Scope()
    assert link(compile_template("a{{ nope }}b"))(scope) == "ab"
    assert "nope" in scope.warnings[0]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("a\n{% for x in %}{% endfor %}", 2),
        ("{% if a %}", 0),
        ("{{ a|nope }}", 0),
        ("{{ a is nope }}", 0),
    ],
)
def test_a_text_that_is_no_jinja_is_placed(text: str, offset: int) -> None:
    with pytest.raises(ExpressionInvalid) as caught:
        compile_template(text)
    assert caught.value.offset == offset


def test_a_filter_has_a_suggestion() -> None:
    with pytest.raises(ExpressionInvalid) as caught:
        compile_template("{{ a|uper }}")
    assert caught.value.suggestion == "did you mean upper?"


def test_a_fault_of_the_values_says_which_text() -> None:
    with pytest.raises(EvaluationFailed, match="name \\+ 1"):
        rendered("{{ name + 1 }}")


def test_prints_that_jinja_cannot_read_are_text_and_reported() -> None:
    scope = Scope({"a": 1})
    assert link(compile_template("{{ a b }} {a} {{%}}"))(scope) == "{{ a b }} 1 {{%}}"
    assert "plain text" in scope.warnings[0]


@pytest.mark.parametrize("text", ["{%d}", "{{}}", "{% x %}", 'printf("{%d}")', "{{", "}}", "a {{ b", '{"a":{"b":1}}'])
def test_braces_that_are_no_jinja_stay(text: str) -> None:
    assert not has_jinja(text)
    assert link(compile_template(text))(Scope()) == text


def test_a_rendered_text_needs_no_jinja() -> None:
    import marshal
    import subprocess
    import sys

    code = compile_template("{% for s in steps %}{{ s.n }}{% endfor %}{name}")
    script = (
        "import marshal, sys\n"
        "from intellyhub_engine.language.expressions.codes import Code, link\n"
        "from intellyhub_engine.language.values.scope import Scope\n"
        "code = Code(*marshal.loads(sys.stdin.buffer.read()))\n"
        "print(link(code)(Scope({'steps': [{'n': 1}, {'n': 2}], 'name': 'x'})))\n"
        "print([name for name in ('jinja2', 'regex', 'jsonschema') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=marshal.dumps(tuple(code)), capture_output=True, check=True
    )
    assert done.stdout.decode().split("\n")[:2] == ["12x", "[]"]
