"""Problems as lines."""

from intellyhub_engine.cli.diagnostics import count_problems, make_problem_object, problem_lines
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity

PROBLEM = Problem(
    code=ProblemCode.UNKNOWN_TARGET,
    message="there is no state 'sned'",
    position=Position(2, 5),
    suggestion="did you mean 'send'?",
    expected="the name of a state",
)


def plain(lines):
    return ["".join(part if isinstance(part, str) else part[0] for part in line) for line in lines]


def test_a_piped_problem_is_one_line():
    assert plain(problem_lines("f.yaml", "", PROBLEM, excerpt=False)) == [
        "f.yaml:2:5: error: there is no state 'sned' (did you mean 'send'?) [unknown-target]"
    ]


def test_the_caret_stands_below_the_column():
    lines = plain(problem_lines("f.yaml", "a:\n\t日本: sned\n", PROBLEM, excerpt=True))
    assert lines[1] == "    2 |  日本: sned"
    assert lines[2] == "      | " + " " * 6 + "^"  # two of the characters before it are two cells wide
    assert lines[3:] == ["      = did you mean 'send'?", "      = expected the name of a state"]


def test_a_long_line_is_cut_around_the_column():
    problem = Problem(code=ProblemCode.WRONG_VALUE, message="m", position=Position(1, 5000))
    lines = plain(problem_lines("f", "x" * 10_000, problem, excerpt=True))
    assert len(lines[1]) < 120
    assert lines[2].endswith("^")


def test_a_place_beyond_the_text_shows_no_source():
    problem = Problem(code=ProblemCode.WRONG_VALUE, message="m", position=Position(9, 1))
    assert len(plain(problem_lines("f", "one line", problem, excerpt=True))) == 1


def test_counts_are_words():
    warning = Problem(code=ProblemCode.UNKNOWN_KEY, message="m", severity=Severity.WARNING)
    assert count_problems([]) == "no problems"
    assert count_problems([PROBLEM, warning, warning]) == "1 error, 2 warnings"


def test_the_json_form_has_every_fact():
    assert make_problem_object("f.yaml", PROBLEM) == {
        "file": "f.yaml",
        "line": 2,
        "column": 5,
        "severity": "error",
        "code": "unknown-target",
        "message": "there is no state 'sned'",
        "state": None,
        "expected": "the name of a state",
        "suggestion": "did you mean 'send'?",
    }
