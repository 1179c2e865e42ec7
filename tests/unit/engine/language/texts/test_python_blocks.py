"""Python blocks: what persists, what is bound, what is data."""

import marshal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.codes import Code, link
from intellyhub_engine.language.texts.python_blocks import Block, block_namespace, compile_block, run_block
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import Record, decode, encode, wrap

FLOWS = Path(__file__).parents[6] / "shared" / "flows"


def ran(source: str, dollar_names: bool = False, /, **variables: Any) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
    """Compiled, cached, sent to another process and run, as far as one process can do that."""
    code = Code(*marshal.loads(marshal.dumps(tuple(compile_block(source, dollar_names=dollar_names)))))
    scope = Scope(wrap(variables), outer={"SECRET": "s3cret"})
    block = link(code)(scope)
    sent = Block(*marshal.loads(marshal.dumps(tuple(block))))
    return run_block(sent, decode(encode(wrap(block_namespace(block, scope)))))


def value(source: str, /, **variables: Any) -> Any:
    return ran(source, **variables)[0]


def changes(source: str, /, **variables: Any) -> dict[str, Any]:
    return ran(source, **variables)[1]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 + 1", 2),
        ("import datetime; datetime.datetime(2026, 1, 1).strftime('%Y')", "2026"),
        ("x = 3\nx * 2", 6),
        ("x = 3", None),
        ("print('a')", None),
        ("datetime.min.year", 1),
        ("import datetime\ndatetime.datetime.min.year", 1),
        ("none is None and true and not false", True),
        ("r.a.b + r['a']['b'] + r.get('z', 5)", 7),
        ("hasattr(r, 'status_code')", False),
        ("'x' in locals() and 'r' in locals() and 'nope' not in locals()", True),
        ("[n + k for n in items for k in items if n < k]", [3]),
        ("k = 2\n[n * k for n in items]", [2, 4]),
        ("def double(n):\n    return n * k\nk = 2\ndouble(4)", 8),
        ("SECRET", "s3cret"),
        ("now().year > 2000", True),
        ("import math\nmath", None),
        ("object()", None),
    ],
)
def test_the_value_is_that_of_the_last_expression(source: str, expected: Any) -> None:
    answer = value(source, x=1, r={"a": {"b": 1}}, items=[1, 2])
    assert answer == expected if source != "object()" else answer.startswith("<object object")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("i += 1", {"i": 2}),
        ("i = i", {}),
        ("a = b = [i]", {"a": [1], "b": [1]}),
        ("items.append(3)", {"items": [1, 3]}),
        ("r['k'] = 1\nr.j = 2", {"r": {"k": 1, "j": 2}}),
        ("variables['k'] = 1\nj = variables.get('k') + k", {"k": 1, "j": 2}),
        ("variables.update({'k': 1})", {"k": 1}),
        (
            (
                "import os\nfrom math import sqrt\nclass C: pass\ndef f(): pass\n_x = 1\n"
                "opened = open('/dev/null')\nc = C()\nopened.close()"
            ),
            {},
        ),
        ("for n in items:\n    last = n", {"n": 1, "last": 1}),
        (
            "t = (1, 2); s = {1}; import datetime; d = datetime.date(2026, 1, 1)",
            {"t": (1, 2), "s": {1}, "d": __import__("datetime").date(2026, 1, 1)},
        ),
        ("def set_it():\n    global g\n    g = 1\nset_it()", {"g": 1}),
        ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    why = str(e)", {"why": "division by zero"}),
    ],
)
def test_assigned_names_persist(source: str, expected: dict[str, Any]) -> None:
    assert changes(source, i=1, items=[1], r={}) == expected


def test_deleted_names_are_told() -> None:
    assert ran("del i\ndel variables['j']", i=1, j=2, k=3) == (None, {}, ("i", "j"))


def test_results_are_records_again() -> None:
    assert isinstance(value("{'a': {'b': 1}}").a, Record)


def test_the_variables_are_those_of_the_flow(capsys: pytest.CaptureFixture[str]) -> None:
    value(
        "import json\nprint(json.dumps(variables), len(variables), sorted(variables), 'json' in variables.keys())", a=1
    )
    assert capsys.readouterr().out == "{\"a\": 1} 1 ['a'] False\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'Echo: {t}'", 'Echo: it\'s "me" {SECRET}'),
        ("'{t}'[5:].strip()", '"me" {SECRET}'),
        ("'{r.a} {r[a]} {r[\"a\"]} {items[0]} {items[i]} {t|length} {r.a:>3} {nope} {}'", "q q q 7 8 18   q {nope} {}"),
        ("'{id} {type} {print} {max}'", "{id} {type} {print} {max}"),
        ("def f(name):\n    return 'Hi {name}'\nf('Bo')", "Hi Bo"),
        ("['{n}!' for n in items]", ["7!", "8!"]),
        ("'{t} {0}'.format(1, t=2)", "2 1"),
        ("'{len(items)} {now().year > 2000} {SECRET}'", "2 True s3cret"),
        ("f'{r[a]} {r[\"a\"]} {items[i]} {t!r:.3} {{t}}'", "q q 8 'it {t}"),
        ("f'{t}' + ' {i}'", 'it\'s "me" {SECRET} 1'),
        ("{'k': '{i}', '{i}': 1}", {"k": "1", "1": 1}),
        ("'%s {i}' % 5", "5 1"),
        ("import re\nre.sub(r'\\d{2}', '{i}', 'a12')", "a1"),
        ("'''{\n  \"a\": {i}\n}'''", '{\n  "a": 1\n}'),
    ],
)
def test_placeholders_in_plain_texts_are_bound(source: str, expected: Any) -> None:
    assert value(source, t='it\'s "me" {SECRET}', r={"a": "q"}, items=[7, 8], i=1) == expected


def test_a_bare_key_is_a_name_first() -> None:
    assert value("f'{r[key]} {r[other]}'", r={"key": 1, "k2": 2, "other": 3}, key="k2") == "2 3"


def test_dollar_names_are_bound_in_list_form() -> None:
    assert ran("'$t and $r.a'", True, t="x", r={"a": 1})[0] == "x and 1"
    assert ran("'$t'", t="x")[0] == "$t"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_data_never_becomes_code(data: str) -> None:
    assert value("'{x}' + ' {x}'", x=data) == f"{data} {data}"


def test_a_block_reads_what_it_names_and_no_more() -> None:
    scope = Scope({"a": 1, "b": 2, "c": 3}, outer={"SECRET": "s", "OTHER": "o"})
    block = link(compile_block("'{a}' + b + SECRET"))(scope)
    assert block_namespace(block, scope) == {"a": 1, "b": 2, "SECRET": "s"}
    everything = link(compile_block("variables"))(scope)
    assert block_namespace(everything, scope) == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(("source", "offset"), [("x = = 1", 4), ("a = 1\nb = (", 10), ("if x:\n  a\n b", 13)])
def test_a_syntax_error_is_placed(source: str, offset: int) -> None:
    with pytest.raises(ExpressionInvalid, match="line") as caught:
        compile_block(source)
    assert abs(caught.value.offset - offset) <= 2


def test_an_indented_block_is_read_as_a_whole() -> None:
    assert value("\n    x = 1\n    if x:\n        x += 1\n    x\n") == 2


def test_what_a_block_raises_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        value("1 / 0")


@pytest.mark.skipif(not FLOWS.is_dir(), reason="the published flows are not here")
def test_every_published_block_compiles() -> None:
    def blocks(node: Any) -> list[str]:
        if isinstance(node, list):
            return [source for item in node for source in blocks(item)]
        if not isinstance(node, dict):
            return []
        own = [node["eval"]] if isinstance(node.get("eval"), str) else []
        return own + [source for item in node.values() for source in blocks(item)]

    found = []
    for path in FLOWS.glob("*.yaml"):
        try:
            found += blocks(yaml.safe_load(path.read_text()))
        except yaml.YAMLError:
            continue
    assert len(found) > 50
    for source in found:
        compile_block(source)
