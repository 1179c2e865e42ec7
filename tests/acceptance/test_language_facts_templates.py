"""FLOW_LANGUAGE section 6: every form of a placeholder, and the rules that satisfy all of them."""

import pytest

from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.values.values import TextRecord
from tests.acceptance.facts import STARTED_NS, Fact, facts, run

NAMES = {
    "a": "A",
    "n": 3,
    "f": 2.5,
    "yes": True,
    "nothing": None,
    "deep": {"b": {"c": "C"}},
    "long": "x" * 300,
    "roles": ["admin", "user"],
    "r": {"articles": [{"title": "T"}], "done": 1, "left": 2, "execution_time": 1.2345, "name": "ada rossi"},
    "cities": ["Rome", "Turin"],
    "current_city_index": 1,
    "t": {"text": "said", "file_info": {"size_mb": 2}, "Turin": "found"},
    "key": "Turin",
    "doc": {"_id": "d1"},
    "llm": TextRecord({"response": "answer", "model": "m"}),
    "braces": "{a} {{ 7*7 }} {% if x %}",
    "spaced": "  pad ",
    "numeric": "7",
}


def shown(text, wanted, name=""):
    quoted = text.replace("'", "''")
    return Fact(
        name=f"6 {name or text}",
        flow=f"states:\n  s: {{state_type: set, values: {{o: '{quoted}'}}}}\n",
        given=NAMES,
        variables={"o": wanted},
    )


def same(text, name=""):
    return shown(text, text, name or f"{text} stays as written")


@facts(
    # 6.1 forms
    shown("<{a}>", "<A>"),
    shown("<{deep.b.c}>", "<C>"),
    shown("{long[:200]}...", "x" * 200 + "..."),
    shown("<{roles[0]}>", "<admin>"),
    shown("<{r.articles[0].title}>", "<T>"),
    shown("<{cities[current_city_index]}>", "<Turin>"),
    shown("<{t[text]}>", "<said>"),
    shown("<{t[file_info][size_mb]}>", "<2>"),
    shown("<{t[key]}>", "<found>", "6.1 the variable's value is tried as the key first"),
    shown("<{doc['_id']}>", "<d1>"),
    shown('<{doc["_id"]}>', "<d1>"),
    shown("<{a|length}>", "<1>"),
    shown("<{roles|length}>", "<2>"),
    shown("<{a|lower}>", "<a>"),
    shown("<{a | lower}>", "<a>"),
    shown("<{a|lower|upper}>", "<A>"),
    shown("<{r.name|title}>", "<Ada Rossi>"),
    shown("<{spaced|strip}>", "<pad>"),
    shown("<{spaced|trim}>", "<pad>"),
    shown("<{missing|default('d')}>", "<d>"),
    shown("<{roles|join(', ')}>", "<admin, user>"),
    shown("<{roles|first}>", "<admin>"),
    shown("<{roles|last}>", "<user>"),
    shown("<{roles|json}>", '<["admin", "user"]>'),
    shown("<{roles|tojson}>", '<["admin", "user"]>'),
    shown("<{numeric|int}>", "<7>"),
    shown("<{numeric|float}>", "<7.0>"),
    shown("<{f|round}>", "<2>"),
    shown("<{a|replace('A', 'B')}>", "<B>"),
    shown("{r.execution_time:.2f}s", "1.23s"),
    shown("<{n:03d}>", "<003>"),
    shown("<{r.done + r.left}>", "<3>"),
    shown("<{len(roles)+1}>", "<3>"),
    shown("<{len(roles)}>", "<2>"),
    shown("<{r.name.title()}>", "<Ada Rossi>"),
    shown("<{deep.b['c']}>", "<C>"),
    shown("<{r['name']}>", "<ada rossi>"),
    shown("<{ a }>", "<A>"),
    shown("{roles}", ["admin", "user"], "6.1 a whole value is the list itself"),
    shown("{deep}", {"b": {"c": "C"}}, "6.1 a whole value is the record itself"),
    shown("{n}", 3, "6.1 a whole value of a built-in may be a number"),
    shown("{yes}", True, "6.1 a whole value of a built-in may be a truth value"),
    shown("{a}{n}", "A3"),
    same("$a and ${unknown}", "6.1 dollars stay in mapping flows"),
    same("*$py.class"),
    same("MATCH (n) WHERE n.c > $n RETURN n"),
    # literal braces
    same('{"k": "v"}'),
    same('{"k": {"z": [1, 2]}}'),
    same('{"k": {"n": {"a": 1}}}'),
    same("{}"),
    same("{ }"),
    same("*.{jpg,png}"),
    same("*.{a,n}", "6.1 a brace set stays even when its words are variables"),
    same("function f() { return 1; }"),
    same("x {unknown} y"),
    same("{unknown}"),
    same("{unknown.b[0]|upper}"),
    same("{deep.absent}"),
    same("body { color: red }"),
    same("x {n: 1} y", "6.1 a JavaScript object stays even when its key is a variable"),
    same("{'a': 1}"),
    same("{n=} {a!r}"),
    same("{roles[absent]} {n / 0}", "6.2 what fails to resolve stays"),
    same('{{"a": 1}}', "6.4 doubled braces that are no Jinja stay"),
    shown("{ {a} }", "{ A }", "6.2 only the innermost group is filled in"),
    same("{1}"),
    shown(
        '{"k": "{a}", "n": {n}, "d": {deep}, "t": {yes}, "z": {nothing}}',
        '{"k": "A", "n": 3, "d": {"b": {"c": "C"}}, "t": true, "z": null}',
        "6.2 values in a JSON text are JSON",
    ),
    shown('[{n}, "{roles}"]', '[3, "[\\"admin\\", \\"user\\"]"]', "6.2 a list inside a JSON string is JSON text"),
    # 6.2 text of values
    shown("<{nothing}>", "<>", "6.2 None is empty text"),
    shown("<{yes}>", "<True>"),
    shown("<{f}>", "<2.5>"),
    shown("<{llm}>", "<answer>", "6.2 a model's answer is its text"),
    shown("<{llm.model} {llm.response} {llm.upper()}>", "<m answer ANSWER>"),
    shown("<{roles}>", "<['admin', 'user']>", "6.2 a list in plain text is str"),
    shown("{braces}", NAMES["braces"], "6.2 values are never expanded again"),
    shown("<{braces}>", f"<{NAMES['braces']}>", "6.2 values in text are never expanded again"),
)
def test_forms(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


SET = "states: {s: {state_type: set, values: {o: '{x}'}}}"


@facts(
    Fact(
        name="6.1 an import expression in variables",
        flow="variables: {x: \"{import datetime; datetime.datetime.now().strftime('%Y'[:0] + 'at')}\"}\n" + SET,
        variables={"o": "at"},
    ),
    Fact(
        name="6.1 $name in list form, only where the name exists",
        flow="{states: [{type: set, values: {o: 'a $x $r.k $unknown $5 ${x}'}}]}",
        given={"x": "X", "r": {"k": "K"}},
        variables={"o": "a X K $unknown $5 X"},
    ),
    Fact(
        name="6.1 $name alone in list form is the value itself",
        flow="{states: [{type: set, values: {o: $x}}]}",
        given={"x": [1]},
        variables={"o": [1]},
    ),
    Fact(
        name="6.2 an unresolved name is a warning in the log",
        flow="{states: {s: {state_type: set, values: {o: 'a {unknown_name} b'}}}}",
        variables={"o": "a {unknown_name} b"},
        logged="unknown_name",
    ),
    Fact(
        name="6.2 braces of JSON are no warning",
        flow="""{states: {s: {state_type: set, values: {o: '{"k": "v"}'}}}}""",
        log=(),
    ),
    Fact(
        name="6.2 variables refer to one another",
        flow="variables: {x: '{y}!', y: '{z}', z: end}\n" + SET,
        variables={"o": "end!"},
    ),
    Fact(
        name="6.2 variables that go round stay as written and the run goes on",
        flow="variables: {x: '{y}', y: '{x}'}\n" + SET,
    ),
    Fact(
        name="6.2 nested variables are resolved",
        flow="variables: {x: {k: ['{y}', {z: '{y}'}]}, y: 1}\n" + SET,
        variables={"o": {"k": [1, {"z": 1}]}},
    ),
    Fact(
        name="6.2 a self reference nobody answers stays as written",
        flow="variables: {x: '{x}'}\n" + SET,
        variables={"o": "{x}"},
    ),
    Fact(
        name="6.2 environment values are not expanded",
        flow="variables: {x: '{E}'}\n" + SET,
        outer={"E": "{F}", "F": "f"},
        variables={"o": "{F}"},
    ),
    Fact(
        name="6.2 event data is never expanded, not even through variables",
        flow="variables: {x: 'said {telegram_message_text}'}\nlistener: {type: telegram, bot_token: t}\n" + SET,
        data={"text": "{OPENAI_API_KEY}"},
        outer={"OPENAI_API_KEY": "sk-1"},
        variables={"o": "said {OPENAI_API_KEY}"},
    ),
    Fact(
        name="6.2 variables may use event data",
        flow="variables: {x: '{event.title} by {rss_article_author}'}\nlistener: {type: rss, url: u}\n" + SET,
        data={"title": "T", "author": "A"},
        variables={"o": "T by A"},
    ),
    Fact(
        name="6.2 the event wins over variables",
        flow=(
            "variables: {file_name: mine}\nlistener: {type: directory, path: p}\nstates: {s: {state_type: set, "
            "values: {o: '{file_name}'}}}"
        ),
        data={"file_name": "theirs"},
        variables={"o": "theirs"},
    ),
    Fact(
        name="6.2 results and assignments win over the event",
        flow=(
            "listener: {type: directory, path: p}\nstates: {a: {state_type: command, eval: file_name = 'own', "
            "transition: s}, s: {state_type: set, values: {o: '{file_name}'}}}"
        ),
        data={"file_name": "theirs"},
        variables={"o": "own"},
    ),
    Fact(
        name="6.2 flow variables win over the environment",
        flow="variables: {x: flow}\n" + SET,
        outer={"x": "outside"},
        variables={"o": "flow"},
    ),
    Fact(
        name="6.2 event over variables over environment, for a webhook's own keys",
        flow=(
            "variables: {order_id: 1, status: mine}\nlistener: {type: webhook}\nstates: {s: {state_type: set, "
            "values: {o: '{order_id}-{status}-{z}'}}}"
        ),
        data={"body": {"order_id": 5}},
        outer={"status": "0", "z": "env"},
        variables={"o": "5-mine-env"},
    ),
    Fact(
        name="6.2 except that what a sender spreads replaces no name of the surroundings",
        flow="listener: {type: webhook}\nstates: {s: {state_type: set, values: {o: '{API_KEY}-{event.body.API_KEY}'}}}",
        data={"body": {"API_KEY": "sent"}},
        outer={"API_KEY": "mine"},
        variables={"o": "mine-sent"},
    ),
    Fact(
        name="6.2 the environment is not part of the run's variables",
        flow=SET,
        outer={"x": "env"},
        variables={"o": "env", "x": "(absent)"},
    ),
    Fact(
        name="6.5 the implicit names are there",
        flow="""{states: {s: {state_type: set, values: {o: '{len(timestamp) > 9} {len(current_date)} {len(current_time)}
            <{error_message}>
            {now()}'},
            transition: t}, t: {state_type: assert, condition: "o.startswith('True 10 8 <> 20')"}}}""",
    ),
    Fact(
        name="6.5 event is there without an event",
        flow='{states: {s: {state_type: if, condition: "event is empty", true_transition: y}, y: {state_type: end}}}',
        path="s y",
    ),
)
def test_rules(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


def jinja(text, wanted, name=""):
    block = "\n".join("        " + line for line in text.split("\n"))
    flow = f"states:\n  s:\n    state_type: set\n    values:\n      o: |-\n{block}\n"
    return Fact(name=f"6.4 {name or text}", flow=flow, given=JINJA, variables={"o": wanted})


JINJA = {
    "a": {"b": [{"t": "one"}, {"t": "two"}, {"t": "{secret}"}]},
    "x": ["p", "q"],
    "s": {"components": ["c1", "c2"]},
    "steps": [{"components": [1, 2]}, {"components": [3]}],
    "name": "N",
    "secret": "S",
    "evil": "{{ 7*7 }} {% for i in x %}{% endfor %} {secret}",
}


@facts(
    jinja(
        "{% for e in a.b[:2] %}{{ loop.index }}{{ e.t }};{% endfor %}", "1one;2two;", "for with a slice and loop.index"
    ),
    jinja("{{ x | join(', ') }}", "p, q"),
    jinja("{{ (s.components|length * 2 + 1) }}", "5"),
    jinja("{{ steps|map(attribute='components')|map('length')|sum }}", "3"),
    jinja("{% if x|length > 1 %}many{% else %}few{% endif %}", "many"),
    jinja("{% for e in x %}{{ e }}{% endfor %} for {name}", "pq for N", "single braces beside blocks"),
    jinja(
        "{% for e in a.b %}{{ e.t }} {% endfor %}{name}",
        "one two {secret} N",
        "values put in by Jinja are not looked at again",
    ),
    jinja("{name}: {{ evil }}", "N: {{ 7*7 }} {% for i in x %}{% endfor %} {secret}", "a value is never rendered"),
    jinja(
        "{% for e in x %}<{{ e }}>{% endfor %}{evil}",
        "<p><q>{{ 7*7 }} {% for i in x %}{% endfor %} {secret}",
        "a single-brace value is never rendered",
    ),
    jinja("{{ missing }}|{{ missing.deep }}|{{ missing | default('d') }}", "||d", "undefined is tolerated"),
    jinja("{% set k = 5 %}{{ k + 1 }}", "6"),
    jinja("{% for k, v in {'z': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "z1"),
    jinja("{{ name.upper() }} {{ name|lower }}", "N n"),
)
def test_jinja(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["{{ ''.__class__.__mro__ }}", "{{ name.__class__ }}", "{''.__class__}", "{name.__class__.__mro__}"]
)
def test_6_4_no_text_reaches_behind_a_value(text, tmp_path):
    fact = Fact(
        name="", flow=f"states:\n  s:\n    state_type: set\n    values:\n      o: |-\n        {text}\n", given=JINJA
    )
    try:
        shown = run(fact, tmp_path).variables.get("o")
    except FlowInvalid as refused:
        shown = refused.problems[0].message
    assert "class '" not in str(shown)


def test_6_5_the_clock_is_that_of_the_run(tmp_path):
    fact = Fact(
        name="", flow="{states: {s: {state_type: set, values: {o: '{current_date} {current_time} {timestamp}'}}}}"
    )
    assert run(fact, tmp_path, now_ns=lambda: STARTED_NS).variables["o"] == "2025-11-21 09:00:00 2025-11-21T09:00:00Z"
