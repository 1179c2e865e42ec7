"""What a flow text says: YAML 1.2 scalars, duplicate keys, repairs, limits, and faults with their places."""

import codecs
import math
import time

import pytest

from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.problems import Position, ProblemCode, Severity
from intellyhub_engine.language.reading.document import place_of
from intellyhub_engine.language.reading.text import read


def value_of(text):
    return read(f"v: {text}").root["v"]


def fault_of(text):
    with pytest.raises(FlowInvalid) as caught:
        read(text)
    return caught.value.problems[-1]


def place(problem):
    return (problem.position.line, problem.position.column)


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "Yes", "ON", "y", "n"])
def test_yes_no_on_and_off_stay_text(word):
    assert value_of(word) == word


@pytest.mark.parametrize("word", ["on", "yes", "off", "no"])
def test_a_key_called_on_stays_text(word):
    assert list(read(f"{word}: 1").root) == [word]


@pytest.mark.parametrize(
    "text", ["12:30:00", "190:20:30", "2024-01-31", "2024-01-31T10:00:00Z", "1_000", "0b11", "1e", "-a"]
)
def test_times_dates_and_other_yaml_1_1_numbers_stay_text(text):
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0o17", 15),
        ("017", 17),
        ("0xFF", 255),
        ("-3", -3),
        ("+3", 3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        (".INF", math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text, value):
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))


def test_nan_is_a_number():
    assert math.isnan(value_of(".nan"))


def test_a_quoted_number_is_text():
    assert value_of('"42"') == "42"


def test_an_integer_too_long_for_python_stays_text():
    assert value_of("9" * 5000) == "9" * 5000


def test_a_tag_of_the_core_schema_decides_the_type():
    assert [value_of("!!str 1"), value_of('!!int "7"'), value_of("!!float 1")] == ["1", 7, 1.0]


def test_a_tag_that_does_not_fit_its_value_is_refused():
    assert fault_of("v: !!int abc").code == ProblemCode.WRONG_TAGGED_VALUE


@pytest.mark.parametrize(
    "text", ["v: !!python/object:os.system [x]", "v: !!python/name:os.system x", "v: !mine {a: b}"]
)
def test_unknown_tags_are_refused(text):
    problem = fault_of(text)
    assert (problem.code, place(problem)) == (ProblemCode.UNKNOWN_TAG, (1, 4))


def test_anchors_and_aliases_share_a_value():
    root = read("a: &x [1, 2]\nb: *x").root
    assert root["b"] == [1, 2]


def test_merge_keys_fill_in_what_is_not_given():
    root = read("base: &b {url: u, method: GET}\nstate:\n  <<: *b\n  method: POST").root
    assert root["state"] == {"method": "POST", "url": "u"}


def test_merging_something_else_than_a_mapping_is_refused():
    assert fault_of("a: {<<: 1}").code == ProblemCode.WRONG_MERGE


def test_a_quoted_merge_key_is_a_key():
    assert read('"<<": 1').root == {"<<": 1}


def test_of_a_repeated_key_the_last_counts_and_both_are_known():
    document = read("a: 1\na: 2")
    assert document.root == {"a": 2}
    assert [(each.key, each.event and place_of(each.event)) for each in document.duplicates] == [("a", Position(2, 1))]


def test_a_value_with_a_colon_is_repaired_with_a_warning():
    document = read('states:\n  s:\n    cmd: echo "Topic $t: $p"\n')
    assert document.root["states"]["s"]["cmd"] == 'echo "Topic $t: $p"'
    problem = document.problems[0]
    assert (problem.code, problem.severity, place(problem)) == (ProblemCode.REPAIRED, Severity.WARNING, (3, 10))
    assert problem.suggestion == """write cmd: 'echo "Topic $t: $p"'"""


def test_a_repair_doubles_single_quotes_and_leaves_the_comment():
    assert read("cmd: say 'it: x' now # why").root == {"cmd": "say 'it: x' now"}


def test_a_number_sign_within_quotes_is_no_comment_in_a_repair():
    assert read('cmd: echo "x: y #1"').root == {"cmd": 'echo "x: y #1"'}


def test_a_value_in_a_list_is_repaired():
    assert read("- cmd: a b: c\n  x: 1").root == [{"cmd": "a b: c", "x": 1}]


def test_several_lines_are_repaired():
    assert len(read("a: x y: z\nb: x y: z").problems) == 2


def test_repairs_come_to_an_end():
    assert fault_of("".join(f"k{n}: a b: c\n" for n in range(100))).code == ProblemCode.YAML_SYNTAX


def test_a_long_python_text_that_leaves_its_block_is_repaired():
    text = 's:\n  eval: |\n    text = f"""\nHello {name}\n\n    bye\n    """\n  next: end\n'
    document = read(text)
    assert document.root["s"] == {"eval": 'text = f"""\nHello {name}\n\nbye\n"""\n', "next": "end"}
    assert document.problems[0].code == ProblemCode.REPAIRED


def test_a_flow_indented_below_its_name_is_refused_at_line_2():
    problem = fault_of("name: A flow with a name\n  start_state: first\n  states:\n    first: {}\n")
    assert place(problem) == (2, 3)
    assert problem.message == "'start_state' is indented deeper than 'name', whose value it would continue"
    assert problem.suggestion == "indent this line and those below it like 'name'"


def test_a_tab_is_named_with_its_remedy():
    problem = fault_of("a:\n\tb: c")
    assert (problem.code, place(problem), problem.suggestion) == (
        ProblemCode.TAB_INDENTATION,
        (2, 1),
        "replace the tab by spaces",
    )


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ('a: "b', (1, 4), "not closed"),
        ("a: [1, 2", (1, 4), "not closed"),
        ("a: {b: 1", (1, 4), "not closed"),
        ("a: @b", (1, 4), "cannot begin a value"),
        ("a: - b", (1, 4), "a list cannot begin here"),
        ("a: b\nc", (2, 1), "neither a `key: value`"),
        ("a:\n  b: c\n d: e", (3, 2), "does not line up"),
        ("a:\n  - b\n  c", (3, 3), "line"),
        ('a: "\\q"', (1, 5), "escape"),
        ("a: 1\n]", (2, 1), "line up"),
    ],
)
def test_a_syntax_fault_has_a_place_and_a_remedy(text, where, words):
    problem = fault_of(text)
    assert place(problem) == where
    assert words in problem.message
    assert problem.suggestion
    assert problem.expected


def test_an_unknown_alias_is_named():
    problem = fault_of("a: *b")
    assert (problem.code, place(problem)) == (ProblemCode.UNKNOWN_ANCHOR, (1, 4))


def test_an_unquoted_double_brace_says_to_quote_it():
    problem = fault_of("a: {{ x }}")
    assert problem.code == ProblemCode.COMPLEX_KEY
    assert "in quotes" in problem.suggestion


def test_a_second_document_is_refused():
    problem = fault_of("a: b\n---\nc: d")
    assert (problem.code, place(problem)) == (ProblemCode.SEVERAL_DOCUMENTS, (2, 1))


def test_a_document_marker_at_the_top_is_fine():
    assert read("---\na: b\n...\n").root == {"a": "b"}


def test_a_byte_order_mark_is_skipped():
    assert read(codecs.BOM_UTF8 + b"a: b").root == {"a": "b"}


@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_utf_16_with_its_mark_is_read(mark, encoding):
    assert read(mark + "a: è".encode(encoding)).root == {"a": "è"}


def test_a_wrong_encoding_names_the_byte():
    problem = fault_of("a: b\nc: città".encode("latin-1"))
    assert problem.code == ProblemCode.WRONG_ENCODING
    assert problem.message == "byte 12 (0xe0) is not UTF-8"
    assert place(problem) == (2, 8)


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"a: \x07b"])
def test_a_binary_file_is_no_flow(data):
    assert fault_of(data).code == ProblemCode.NOT_TEXT


def test_a_lone_surrogate_is_no_text():
    assert fault_of("a: \ud800").code == ProblemCode.NOT_TEXT


def test_a_text_above_one_megabyte_is_refused():
    problem = fault_of(b"a: " + b"x" * 1_000_000)
    assert problem.code == ProblemCode.TEXT_TOO_LARGE


def test_size_counts_in_bytes():
    assert fault_of("a: " + "è" * 600_000).code == ProblemCode.TEXT_TOO_LARGE


@pytest.mark.parametrize("text", ["[" * 400_000, "- " * 100_000, "{a: " * 20_000, "a: " + "[" * 101])
def test_deep_nesting_is_refused_without_recursion(text):
    assert fault_of(text).code == ProblemCode.TOO_DEEP


def test_a_hundred_levels_are_allowed():
    assert read("[" * 100 + "]" * 100).root


def test_a_billion_laughs_are_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    began = time.perf_counter()
    assert fault_of("\n".join(lines)).code == ProblemCode.TOO_MANY_NODES
    assert time.perf_counter() - began < 0.5


def test_aliases_within_the_limit_are_expanded():
    root = read("a: &a [1, 2]\nb: &b [*a, *a]\nc: [*b, *b]").root
    assert root["c"] == [[[1, 2], [1, 2]], [[1, 2], [1, 2]]]


def test_too_many_values_are_refused():
    assert fault_of("\n".join(["- 1"] * 100_001)).code == ProblemCode.TOO_MANY_NODES


def test_an_alias_within_its_own_anchor_is_refused():
    assert fault_of("a: &x [*x]").code == ProblemCode.RECURSIVE_ALIAS


def test_an_empty_text_says_nothing():
    assert read("# only a comment\n").root is None


def test_places_are_known_for_keys_and_values():
    document = read("a: 1\nb:\n  - x\n  - {c: 2}\n")
    assert document.position_of(document.root, "b") == Position(3, 3)
    assert document.position_of(document.root["b"], 1) == Position(4, 5)
    assert document.key_position(document.root["b"][1], "c") == Position(4, 6)


def test_a_key_is_known_as_it_was_written():
    document = read("true: b\nnull: c\n0x10: d")
    assert document.key_text(document.root, 16) == "0x10"
    assert list(document.root) == ["true", "null", 16]


@pytest.mark.parametrize(
    ("text", "offset", "where"),
    [
        ("v: a + b", 2, (1, 6)),
        ('v: "a + b"', 2, (1, 7)),
        ("v: |\n  first\n  sec ond\n", 10, (3, 7)),
    ],
)
def test_a_character_within_a_value_has_a_place(text, offset, where):
    document = read(text)
    found = document.within(document.event_of(document.root, "v"), offset)
    assert found == Position(*where)


def test_reading_a_long_flow_costs_less_than_the_loader_of_the_library():
    import yaml

    keys = '    state_type: if\n    condition: "{{x}} > {0}"\n    true_transition: s{1}\n    output: r\n    log: hi\n'
    state = "  s{0}:\n" + keys
    text = "states:\n" + "".join(state.format(n, n + 1) for n in range(50))
    ours = min(duration(lambda: read(text)) for _ in range(20))
    theirs = min(duration(lambda: yaml.load(text, yaml.CSafeLoader)) for _ in range(20))
    assert ours < theirs * 1.2


def duration(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
