"""Templates: every published form, and what must survive them."""

import json
import marshal
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.errors import EvaluationFailed, ExpressionInvalid
from intellyhub_engine.language.expressions.codes import Code, link
from intellyhub_engine.language.texts.templates import compile_template, has_jinja
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import TextRecord, ValueRecord, wrap

NOON_NS = 1_767_268_800_000_000_000


def filled(value: Any, dollar_names: bool = False, /, **variables: Any) -> Any:
    scope = Scope(wrap(variables), now_ns=lambda: NOON_NS)
    return link(compile_template(value, dollar_names=dollar_names))(scope)


def warnings(value: Any, **variables: Any) -> list[str]:
    scope = Scope(wrap(variables))
    link(compile_template(value))(scope)
    return scope.warnings


DATA = {
    "a": "x",
    "n": 7,
    "none": None,
    "r": {"b": {"c": 1}, "_id": "id", "time": 1.2345, "text": "T", "size": {"mb": 3}},
    "rows": [{"title": "one"}, {"title": "two"}],
    "i": 1,
    "long": "abcdefghij",
    "ai": TextRecord({"response": "Hello", "success": True}),
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("> {a} <", "> x <"),
        ("> {r.b.c}", "> 1"),
        ("> {long[:3]} {long[-2:]} {long[2:4]}", "> abc ij cd"),
        ("> {rows[0].title} {rows[i].title} {rows[i]['title']}", "> one two two"),
        ("> {r[text]} {r[size][mb]} {r['_id']} {r._id}", "> T 3 id id"),
        ("> {a|upper} {a|length} {rows|length} {rows|first|length}", "> X 1 2 1"),
        ("> {nope|default('d')} {none|default('d')} {a|default('d')}", "> d d x"),
        (
            "> {rows|map('length')|join(', ')} {long|replace('a', 'Z')} {n|float} {'12'|int + n}",
            "> 1, 1 Zbcdefghij 7.0 19",
        ),
        ("> {r.b|json} {r.b|tojson} {r.time|round(1)} {long|last}", '> {"c": 1} {"c": 1} 1.2 j'),
        ("> {r.time:.2f} {n:03d} {a:>3}|", "> 1.23 007   x|"),
        ("> {n + r.b.c} {len(rows)+1} {n * 2 - 1} {n / 2}", "> 8 3 13 3.5"),
        ("> {a.upper()} {now()} {a.title()} {max(n, 9)}", "> X 2026-01-01 12:00:00+00:00 X 9"),
        ("> {timestamp} {current_date} {current_time}", "> 2026-01-01T12:00:00Z 2026-01-01 12:00:00"),
        ("> {none}|{ai}|{ai.success}|{ai.lower()}|{ai[:2]}", "> |Hello|True|hello|He"),
        ("> {r.b} {rows}", "> {'c': 1} [{'title': 'one'}, {'title': 'two'}]"),
        ("> { a }", "> x"),
        ("> {'yes' if n > 3 else 'no'}", "> yes"),
        ("> {n + a|length} {(a + a)|length} {a|length * 2 + 1} {a|upper|lower}", "> 8 2 3 x"),
        ("{a}{a}", "xx"),
        ("{{a}}", "x"),
    ],
)
def test_a_placeholder_is_filled_in(text: str, shown: str) -> None:
    assert filled(text, **DATA) == shown


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{0}",
        "{-1}",
        "{'a': 1}",
        '{"type": "x", "a": [1, 2]}',
        '{"a": {"b": {"c": "d"}}}',
        "{a, n}",
        "{1, 2}",
        "{a: red}",
        "{ color: red; }",
        "{a!r}",
        "{a\n}",
        "*.{jpg,png}",
        "function f() { return a }",
        "import { useState } from 'react'",
        "%(a)s",
        "awk '{print $1}'",
        "{a = 3}",
        "{*a}",
        "{lambda: a}",
        "{a..b}",
        "{class}",
        "{frobnicate(a)}",
        "$a ${nope}",
    ],
)
def test_braces_that_say_nothing_stay(text: str) -> None:
    assert filled(text, **DATA) == text
    assert filled(f"> {text} <", **DATA) == f"> {text} <"


@pytest.mark.parametrize(
    "text", ["{nope}", "{nope.x}", "{r.nope}", "{rows[9]}", "{n.x}", "{a + n}", "{len(n)}", "{none.x}"]
)
def test_what_cannot_be_resolved_stays_and_is_reported(text: str) -> None:
    assert filled(text, **DATA) == text
    assert filled(f"> {text} <", **DATA) == f"> {text} <"
    assert len(warnings(text, **DATA)) == 1
    assert text in warnings(text, **DATA)[0]


@pytest.mark.parametrize("value", [[1, [2]], {"a": {"b": 1}}, 3, 1.5, True, None, "text", date(2026, 1, 1), b"raw"])
def test_a_whole_value_is_native(value: Any) -> None:
    assert filled("{x}", x=value) == value
    assert type(filled("{x}", x=value)) is type(wrap(value))


class Feed(ValueRecord):
    """A result with methods, as the catalogue has them."""

    __slots__ = ()
    value_type = "feed"
    exposed = frozenset({"search", "count"})

    def __getitem__(self, key: Any) -> Any:
        return self.articles[key] if isinstance(key, (int, slice)) else dict.__getitem__(self, key)

    def __len__(self) -> int:
        return len(self.articles)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.articles)

    @property
    def count(self) -> int:
        return len(self.articles)

    def search(self, word: str) -> list[Any]:
        return [article for article in self.articles if word in article.title]

    def hidden(self) -> str:
        return "secret"


def test_a_result_with_methods_is_used_by_them() -> None:
    feed = Feed(articles=[{"title": "one"}, {"title": "two"}], url="u")
    text = "{feed[0].title} {feed[:1]} {len(feed)} {feed.search('wo')[0].title} {feed.count} {feed.url} {feed.hidden()}"
    assert filled(text, feed=feed) == "one [{'title': 'one'}] 2 two 2 u {feed.hidden()}"
    assert filled("{% for a in feed %}{{ a.title }}{{ feed.search('wo')|length }}{% endfor %}", feed=feed) == "one1two1"


def test_every_kind_of_value_can_be_a_template() -> None:
    value = {"a": ["{x}", {"b": "<{x}>"}], "n": 1, "t": True, "z": None, 3: "{x}", "d": date(2026, 1, 1)}
    expected = {"a": [[1], {"b": "<[1]>"}], "n": 1, "t": True, "z": None, 3: [1], "d": date(2026, 1, 1)}
    assert filled(value, x=[1]) == expected


def test_a_template_gives_a_fresh_value_every_time() -> None:
    build = link(compile_template({"a": [1], "b": []}))
    first = build(Scope())
    first["a"].append(2)
    assert build(Scope()) == {"a": [1], "b": []}


def test_values_in_a_json_text_keep_it_json() -> None:
    text = (
        '{\n "plan": {plan}, "title": "{title}", "items": [{n}, {flag}, {nothing}],'
        '\n "inner": "x {plan} y", "raw": {raw}, "word": {title}}'
    )
    variables = {
        "plan": {"a": ["è", None]},
        "title": 'it\'s "q"\n\\',
        "n": 1.5,
        "flag": True,
        "nothing": None,
        "raw": '{"z": 1}',
    }
    shown = json.loads(filled(text, **variables))
    assert shown == {
        "plan": {"a": ["è", None]},
        "title": variables["title"],
        "items": [1.5, True, None],
        "inner": 'x {"a": ["è", null]} y',
        "raw": {"z": 1},
        "word": variables["title"],
    }


def test_a_text_that_only_begins_like_json_is_text() -> None:
    assert filled("[note] {r}: {a}", **{**DATA, "r": {"q": 1}}) == "[note] {'q': 1}: x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$a and ${a}!", "x and x!"),
        ("$r.b.c", 1),
        ("> $r.b.c.", "> 1."),
        ("> $a.txt", "> x.txt"),
        ("> $nope $ 5$ {a}", "> $nope $ 5$ x"),
        ("$rows", DATA["rows"]),
    ],
)
def test_dollar_names_in_list_form(text: str, shown: Any) -> None:
    assert filled(text, True, **DATA) == shown


def test_dollars_mean_nothing_elsewhere() -> None:
    assert (
        filled("$a {a} *$py.class MATCH (n) WHERE n.x > $min ${a}", **DATA)
        == "$a x *$py.class MATCH (n) WHERE n.x > $min $x"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{import datetime; datetime.datetime.utcnow().strftime('%Y-%m-%d %H:%M')}", "2026-01-01 12:00"),
        ("{import datetime; datetime.datetime.utcnow() - datetime.timedelta(days=1)}", datetime(2025, 12, 31, 12)),  # noqa: DTZ001 - naive, as utcnow is
        ("{from datetime import date as d; d.fromisoformat('2026-02-01').isoformat()}", "2026-02-01"),
        ("{import math; math.floor(math.sqrt(n + 2))}", 3),
        ("{import json; json.loads('[1]')[0] + 1}", 2),
        ("{import hashlib; hashlib.sha256(a)[:8]}", "2d711642"),
        ("{import time; time.time()}", 1767268800.0),
    ],
)
def test_an_import_expression(text: str, value: Any) -> None:
    assert filled(text, **DATA) == value


def test_random_values_are_the_scopes() -> None:
    from random import Random

    build = link(compile_template("{import uuid; uuid.uuid4()} {import random; random.randint(1, 10**9)}"))
    assert build(Scope(random=Random(1))) == build(Scope(random=Random(1)))
    assert build(Scope()) != build(Scope())


def test_a_template_can_be_cached() -> None:
    code = compile_template({"a": "{x|upper} {y[0]}", "j": "{% for i in x %}{{ i }}{% endfor %}"})
    again = Code(*marshal.loads(marshal.dumps(tuple(code))))
    assert again.names == ("x", "y")
    assert link(again)(Scope({"x": "ab", "y": [1]})) == {"a": "AB 1", "j": "ab"}


def test_a_text_without_placeholders_is_a_constant() -> None:
    for value in ("plain", "", 3, None, True, '{"a": 1}'):
        assert compile_template(value) == Code("constant", value)


def test_a_value_nested_beyond_reason_is_refused() -> None:
    value: Any = "{x}"
    for _ in range(5_000):
        value = [value]
    with pytest.raises(ExpressionInvalid):
        compile_template(value)


@given(st.text(st.sampled_from("{}[]()<>'\"%$abxé01 .,:;|!#\\\n\t=+-*/&")))
def test_arbitrary_brace_text_survives(text: str) -> None:
    try:
        shown, beside = filled(text), filled("{v}" + text, v="V")
    except (ExpressionInvalid, EvaluationFailed):
        assert has_jinja(text)
        return
    assert has_jinja(text) or (shown == text and (beside == "V" + text or text[:1] == "}"))


@given(st.text(), st.text())
def test_what_is_filled_in_is_never_looked_at_again(value: str, other: str) -> None:
    assert filled("a {x} b {y} c", x=value, y=other) == f"a {value} b {other} c"
    assert filled({"k": "{x}", "l": ["-{y}"]}, x=value, y=other) == {"k": value, "l": [f"-{other}"]}
    assert json.loads(filled('{"k": "{x}", "v": [{y|tojson}]}', x=value, y=other)) == {"k": value, "v": [other]}
