"""FLOW_LANGUAGE section 8: Python blocks."""

from tests.acceptance.facts import Fact, facts


def block(name, code, /, *, then="", **expected):
    body = "\n".join("        " + line for line in code.split("\n"))
    more = f"    transition: b\n  b: {{{then}}}\n" if then else ""
    flow = f"states:\n  a:\n    state_type: command\n    output: o\n    eval: |\n{body}\n{more}"
    return Fact(name=f"8.{name}", flow=flow, given={**NAMES, **expected.pop("given", {})}, **expected)


NAMES = {
    "n": 1,
    "text": '/ai it\'s "fine" {n}',
    "rows": [{"k": "a"}, {"k": "b"}],
    "r": {"data": {"status": "ok"}, "error": "?"},
    "transcription": {"text": "said", "file_info": {"size_mb": 2}},
    "ollama_url": "http://x",
}


@facts(
    # 1 statements plus a value
    block(
        "1 one line of statements and a value",
        "import datetime; datetime.datetime.now().strftime('at')",
        variables={"o": "at"},
    ),
    block("1 a single expression", "n + 1", variables={"o": 2}),
    block("1 several statements and a value", "x = n + 1\ny = x * 2\ny", variables={"o": 4, "x": 2, "y": 4}),
    block("1 print as the last line gives None", "print('hi')", variables={"o": None}, log=("hi",)),
    block("1 no expression at the end gives None", "x = 1", variables={"o": None}),
    # 2 assigned names persist
    block(
        "2 assigned names persist",
        "n += 1\nflag = False\nstarted = 'now'",
        then="state_type: set, values: {t: '{started} {n} {flag}'}",
        variables={"t": "now 2 False", "n": 2},
    ),
    block(
        "2 modules, functions, classes and private names do not",
        "import math\nimport os.path as p\ndef f(): return 1\nclass C: pass\n_x = 1\ng = lambda: 1\ny = f()",
        variables={
            "math": "(absent)",
            "p": "(absent)",
            "f": "(absent)",
            "C": "(absent)",
            "_x": "(absent)",
            "g": "(absent)",
            "y": 1,
        },
    ),
    block(
        "2 loop names leak",
        "for i in range(3): pass\nwith open('z', 'w') as h: h.write('q')",
        variables={"i": 2, "h": "(absent)"},
        files={"z": "q"},
    ),
    block(
        "2 a change inside a list persists",
        "rows.append({'k': 'c'})\nrows[0]['k'] = 'z'\nr.data.status = 'bad'",
        variables={"rows": [{"k": "z"}, {"k": "b"}, {"k": "c"}], "r": {"data": {"status": "bad"}, "error": "?"}},
    ),
    block("2 del removes", "del n", variables={"n": "(absent)"}),
    block(
        "2 a global statement in a function persists",
        "def f():\n    global total\n    total = 5\nf()",
        variables={"total": 5},
    ),
    # 3 one namespace
    block("3 comprehensions see fresh names", "k = 2\n[row.k * k for row in rows]", variables={"o": ["aa", "bb"]}),
    block("3 functions see fresh names", "k = 2\ndef f(): return k + n\nf()", variables={"o": 3}),
    block(
        "3 locals() answers for variables",
        "('n' in locals(), 'zz' in locals(), 'n' in globals())",
        variables={"o": (True, False, True)},
    ),
    block("3 locals() answers for what the block made", "zz = 1\n'zz' in locals()", variables={"o": True}),
    block("3 locals().get", "locals().get('n', 0) + locals().get('zz', 5)", variables={"o": 6}),
    # 4 variables
    block(
        "4 variables is the mapping",
        "variables['k'] = 5\nvariables['n'] += 1\nvariables.get('zz', [])",
        variables={"o": [], "k": 5, "n": 2},
    ),
    block(
        "4 variables.get and setdefault persist",
        (
            "variables.setdefault('seen', "
            "[]).append(1)\nvariables.update(z=2)\nvariables['rows'].append(3)\nlen(variables['rows'])"
        ),
        variables={"o": 3, "seen": [1], "z": 2},
    ),
    block("4 what variables got is a name in the same block", "variables['k'] = 5\nk + 1", variables={"o": 6}),
    block(
        "4 variables is a mapping in every way",
        "('n' in variables, 'n' in [k for k in variables], dict(variables)['n'], {**variables}['n'])",
        variables={"o": (True, True, 1, 1)},
    ),
    block("4 deleting from variables deletes", "del variables['n']", variables={"n": "(absent)"}),
    # 5 placeholders in plain strings
    block("5 a placeholder in a plain string", "print('Echo: {text}')", log=('Echo: /ai it\'s "fine" {n}',)),
    block("5 a slice of a string with a placeholder", "'{text}'[4:].strip()", variables={"o": 'it\'s "fine" {n}'}),
    block("5 a placeholder in a call's argument", 'str("{ollama_url}/api/tags")', variables={"o": "http://x/api/tags"}),
    block(
        "5 dotted and filtered placeholders", "'{r.data.status} {rows[0].k} {rows|length}'", variables={"o": "ok a 2"}
    ),
    block(
        "5 f-strings evaluate by themselves in the same block",
        "f'{n + 1:03d} {r.data.status!r}' + ' {n}'",
        variables={"o": "002 'ok' 1"},
    ),
    block("5 f-strings with dictionary displays", "f\"{ {'a': n}['a'] } {{n}}\"", variables={"o": "1 {n}"}),
    block(
        "5 sets and dicts are Python", "x = {n}\ny = {'n': n}\n{1, 2} == x | {2}", variables={"o": True, "y": {"n": 1}}
    ),
    block("5 unknown placeholders stay", "'a {zz} {} {0} {\"k\": 1}'", variables={"o": 'a {zz} {} {0} {"k": 1}'}),
    block("5 str.format keeps working", "'{} {}'.format(n, 2) + '{0}'.format(3)", variables={"o": "1 23"}),
    block("5 a name assigned in the block is filled in", "city = 'Rome'\n'in {city}'", variables={"o": "in Rome"}),
    block(
        "5 quotes in data break nothing",
        "'{text}' == text",
        given={"text": '\'); import os; (\'"""'},
        variables={"o": True},
    ),
    block("5 a triple-quoted text", "x = '''a\n{n}\n'''\nx", variables={"o": "a\n1\n"}),
    block("5 str.format by name keeps its own", "'Hello {n} {}'.format(2, n='z')", variables={"o": "Hello z 2"}),
    block("5 bytes are not text", "b'{n}'", variables={"o": b"{n}"}),
    block("5 a text inside an f-string is its own", "f'{\"{n}\"}'", variables={"o": "{n}"}),
    # 6 bare keys in f-strings
    block("6 a bare key in an f-string", "f'{transcription[file_info][size_mb]}'", variables={"o": "2"}),
    block(
        "6 a bare key that is a variable is the variable first",
        "key = 'text'\nf'{transcription[key]}'",
        variables={"o": "said"},
    ),
    block(
        "6 a bare key falls back to the word when the variable's value is no key",
        "f'{transcription[text]}'",
        variables={"o": "said"},
    ),
    # 7 print
    block(
        "7 prints come in order, with what is written to stdout",
        "print('one')\nprint('two', 2)\nimport sys\nsys.stdout.write('three\\n')\nprint('x', end='')\nprint('y')",
        log=("one", "two 2", "three", "xy"),
    ),
    block("7 emoji and accents", "print('✅ perché 🎉')", log=("✅ perché 🎉",)),
    # 8 what blocks call
    block(
        "8 time, os, json, re, random, open, os.walk",
        (
            "import time, os, json, re, random, datetime\ntime.sleep(0.001)\nos.makedirs('d/e', "
            "exist_ok=True)\nwith open('d/e/f.txt', 'w') as f:\n    f.write(json.dumps({'a': "
            "1}))\n[sorted(files) for _, _, files in os.walk('d')]"
        ),
        variables={"o": [[], ["f.txt"]]},
        files={"d/e/f.txt": '{"a": 1}'},
    ),
    block("8 requests can be imported", "import requests\nhasattr(requests, 'get')", variables={"o": True}),
    # 9 exceptions
    block("9 an exception fails the run", "1 / 0", status="failed", error="division by zero"),
    block("9 sys.exit fails", "import sys\nsys.exit(3)", status="failed"),
    Fact(
        name="8.9 an exception takes the error edge with its message",
        flow=(
            "{states: {a: {state_type: command, eval: \"raise ValueError('bad')\", error_transition: e}, e: "
            "{state_type: set, values: {m: '{error_message}', s: '{error_state}'}}}}"
        ),
        path="a e",
        variables={"s": "a"},
    ),
    Fact(
        name="8.9 what was printed before an exception is in the log",
        flow="{states: {a: {state_type: command, eval: \"print('x'); 1 / 0\", error_transition: end}}}",
        logged="x",
    ),
    # 10 the value model
    block(
        "10 hasattr, get, attribute chains",
        (
            "(hasattr(r, 'status_code'), hasattr(r, 'data'), r.get('error', ''), r.data.status, "
            "r['data']['status'], 'error' in r)"
        ),
        variables={"o": (False, True, "?", "ok", "ok", True)},
    ),
    # 6.5 names of eval
    block("6.5 datetime is the class without import", "datetime.min.year", variables={"o": 1}),
    block(
        "6.5 import datetime rebinds it to the module",
        "import datetime\ndatetime.datetime.min.year",
        variables={"o": 1},
    ),
    block("6.5 lower-case constants", "(true, false, none, null)", variables={"o": (True, False, None, None)}),
    block(
        "6.5 implicit names",
        "(len(timestamp) > 5, error_message, len(current_date), len(current_time))",
        variables={"o": (True, "", 10, 8)},
    ),
    block("6.5 now()", "now().year > 2000", variables={"o": True}),
)
def test_blocks(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


@facts(
    Fact(
        name="8 a block between the listener and the rest",
        flow="""
            listener: {type: telegram, bot_token: t}
            states:
              a: {state_type: command, action: {eval: "print('Echo: {telegram_message_text}')"}, transition: b}
              b: {state_type: command, action: {eval: "'{telegram_message_text}'[4:].strip()"}, output: question}
        """,
        data={"text": "/ai it's {HOME}"},
        log=("Echo: /ai it's {HOME}",),
        variables={"question": "it's {HOME}"},
    ),
    Fact(
        name="8 dollar names in a list-form block's strings",
        flow="{states: [{type: command, eval: \"'a ' + '$x'\", output: o}]}",
        given={"x": "X"},
        variables={"o": "a X"},
    ),
    Fact(
        name="8 environment names can be read but do not become variables",
        flow="{states: {a: {state_type: command, eval: \"KEY + '{KEY}'\", output: o}}}",
        outer={"KEY": "k"},
        variables={"o": "kk", "KEY": "(absent)"},
    ),
    Fact(
        name="8 the workspace is the current folder, for files of other states too",
        flow=(
            "{states: {w: {state_type: file, action: write, path: d/x.txt, content: hi, transition: a}, a: "
            "{state_type: command, eval: \"open('d/x.txt').read()\", output: o}}}"
        ),
        variables={"o": "hi"},
    ),
)
def test_blocks_among_states(fact, tmp_path):
    assert fact.differences(tmp_path) == {}
