"""What holds for every text: faults are FlowInvalid, parsing is deterministic, spellings of one flow are one flow."""

from hypothesis import given, settings
from hypothesis import strategies as st

from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.load import examine, load_flow
from intellyhub_engine.language.parsing.parse import parse
from intellyhub_engine.language.reading.text import read
from tests.unit.engine.language.small import CATALOGUE, flow_of, plain

SEEDS = (
    """
name: "x"
listener:
  type: rss
  url: u
variables: {a: "{A}", b: [1, 2]}
states:
  a:
    state_type: if
    condition: "{event.title} contains any {b}"
    true_transition: b
    false_transition: end
  b:
    state_type: http
    url: |
      x
    retry: {attempts: 3, backoff: 5s}
    transition: end
  end: {state_type: end}
""",
    """
states:
  - name: s
    type: switch
    variable: v
    cases:
      1: {type: command, command: echo a: b}
      x: [{type: set, values: {a: 1}}]
  - type: loop
    items: [1, 2]
    do: [{type: wait, seconds: 3}]
""",
    """
base: &b {state_type: http, url: u}
states:
  a: {<<: *b, transition: p}
  p:
    state_type: parallel
    branches: {x: a, y: {state_type: command, eval: '1 + 1'}}
tests: [{event: {a: 1}, expect: {path: [a]}}]
""",
    """
states:
  l:
    state_type: loop
    loop_type: while
    condition: x < 3
    states:
      start: {state_type: command, cmd: a}
      b: {state_type: emit, event_type: t, transition: break}
    log: {level: error, message: hi}
    timeout: PT5M
""",
)
WORDS = (
    "&a",
    "*a",
    "!!str",
    "states:",
    "type:",
    "then:",
    "cases:",
    "items:",
    "null",
    "true",
    "---",
    "<<:",
    "state_type:",
)
FRAGMENTS = [*"\n\t {}[]'\"|>#?%:-\x85\ufeffé", *(f"{word} " for word in WORDS)]


@st.composite
def mutated(draw):
    """A flow with some pieces cut, doubled or put in."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 20)))
        piece = draw(st.one_of(st.just(""), st.sampled_from(FRAGMENTS), st.text(max_size=3), st.just(text[at:end] * 2)))
        text = text[:at] + piece + text[end:]
    return text


def fault_of(work):
    """The FlowInvalid that the work raises, if it does; any other exception fails the test."""
    try:
        work()
    except FlowInvalid as fault:
        return fault
    return None


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_no_text_raises_anything_but_flow_invalid(text):
    fault = fault_of(lambda: load_flow(text, CATALOGUE))
    assert fault is None or all(problem.message and problem.code for problem in fault.problems)


@settings(max_examples=200, deadline=None)
@given(
    mutated(), st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-16-le"]), st.binary(max_size=4), st.integers(0, 200)
)
def test_no_bytes_raise_anything_but_flow_invalid(text, encoding, noise, at):
    data = text.encode(encoding, "replace")
    fault = fault_of(lambda: read(data[:at] + noise + data[at:]))
    assert fault is None or fault.problems


@settings(max_examples=100, deadline=None)
@given(mutated())
def test_every_problem_has_a_place_within_the_text(text):
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 2
    for problem in examine(text, CATALOGUE)[1]:
        assert problem.position is not None, problem
        assert 1 <= problem.position.line <= lines
        assert problem.position.column >= 1


@settings(max_examples=100, deadline=None)
@given(mutated())
def test_parsing_is_deterministic(text):
    first, second = parse(text, CATALOGUE), parse(text, CATALOGUE)
    assert first.flow == second.flow
    assert first.problems == second.problems


CANONICAL = """
states:
  a: {state_type: if, condition: x, true_transition: b, false_transition: c}
  b: {state_type: switch, value: "{v}", cases: {k: c}, default: d}
  c: {state_type: command, eval: z, transition: d}
  d: {state_type: telegram-bot, message: m, transition: e}
  e: {state_type: loop, items: [1], body: f, transition: end}
  f: {state_type: file, action: read, path: p, transition: continue_loop}
"""
SPELLINGS = [
    [
        "  a: {state_type: IF, condition: x, transition_true: b, transition_false: c}",
        "  a: {type: if, condition: x, on_true: b, on_false: c}",
        "  a: {state_type: If, condition: 'x', then: b, else: c}",
        "  a: {false_state: c, true_state: b, condition: x, state_type: if}",
    ],
    [
        "  b: {state_type: switch, variable: v, cases: {k: {transition: c}}, default_transition: d}",
        "  b: {state_type: switch, value: v, cases: [{when: k, then: c}], default: d}",
        "  b: {state_type: Switch, variable: '{v}', cases: [{value: k, transition: c}], otherwise: d}",
    ],
    [
        "  c: {state_type: command, action: {eval: z}, transition: d}",
        "  c: {state_type: command, action: eval, code: z, transition: d}",
        "  c: {state_type: COMMAND, python: z, transition: d}",
    ],
    [
        "  d: {state_type: telegram, message: m, transition: e}",
        "  d: {state_type: Telegram_Bot, message: m, transition: e, description: for people}",
    ],
    [
        "  e: {state_type: loop, mode: for, items: [1], body_state: f, done_transition: end}",
        "  e: {state_type: loop, loop_type: for, items: [1], do: f, end_transition: end}",
        "  e: {state_type: loop, items: [1], transition: f, exit_transition: end}",
    ],
    [
        "  f: {state_type: file, operation: read, path: p, transition: continue}",
        "  f: {state_type: File, action: read, path: p, transition: 'continue_loop'}",
    ],
]


@settings(max_examples=60, deadline=None)
@given(st.tuples(*(st.sampled_from(spellings) for spellings in SPELLINGS)))
def test_every_spelling_of_a_flow_is_the_same_flow(lines):
    text = "states:\n" + "\n".join(lines)
    assert plain(flow_of(text)) == plain(flow_of(CANONICAL))


def test_list_form_is_mapping_form_with_its_transitions_written_out():
    listed = "states: [{name: a, type: set, values: {}}, {name: b, type: command, cmd: x}, {name: c, type: end}]"
    first, second = "{state_type: set, values: {}, transition: b}", "{state_type: command, cmd: x, transition: c}"
    mapped = f"states: {{a: {first}, b: {second}, c: {{state_type: end}}}}"
    assert plain(flow_of(listed)) == plain(flow_of(mapped))
