"""Every published flow is read and checked; nine in ten of the complete ones have no error.

A file is a *complete flow* when it has `states` and every state's type is one that somebody published: a control state,
an installed function, or a plugin known by name. What is left out are documentation fragments whose types nobody
published (placeholders such as `mio_plugin` or `command|if|loop`, and the list-form READMEs' `search`, `collect`,
`deployment` and the like, FLOW_LANGUAGE.md section 4), files that are no flow, and the one text published as an
example of YAML that must be refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jsonschema
import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.language.checking.schema import make_schema
from intellyhub_engine.language.load import examine
from intellyhub_engine.language.parsing.parse import parse
from intellyhub_engine.language.problems import Position, Problem, Severity
from intellyhub_engine.language.reading.text import read
from intellyhub_engine.language.spelling import find_state_type

FLOWS = Path(__file__).resolve().parents[3] / "shared" / "flows"
PATHS = sorted(FLOWS.glob("*.yaml"))
MALFORMED = "hub__malformed_yaml_test"

pytestmark = pytest.mark.skipif(not PATHS, reason="the published flows are not beside the repository")


def errors_of(path: Path) -> list[Problem]:
    return [each for each in examine(path.read_bytes(), installed())[1] if each.severity is Severity.ERROR]


def is_complete(path: Path) -> bool:
    flow = parse(path.read_bytes(), installed()).flow
    return flow is not None and all(find_state_type(state.type, installed()) for state in flow.states.values())


def test_nine_in_ten_complete_flows_have_no_error(capsys):
    complete = [path for path in PATHS if is_complete(path)]
    failing = {path.stem: errors for path in complete if (errors := errors_of(path))}
    with capsys.disabled():
        for name, errors in failing.items():
            sys.stdout.write(f"\n{name}: " + "; ".join(f"{error.code}: {error}" for error in errors))
    assert len(complete) >= 50
    assert len(failing) <= len(complete) * 0.1, failing


def test_a_fragment_fails_only_for_what_it_lacks():
    """The errors of an incomplete file are the unknown types and missing states that make it a fragment."""
    fragments = [path for path in PATHS if not is_complete(path) and path.stem != MALFORMED]
    codes = {path.stem: {str(error.code) for error in errors_of(path)} for path in fragments}
    assert {name: found for name, found in codes.items() if not found <= {"unknown-state-type", "no-states"}} == {}


def test_every_problem_of_a_published_flow_has_its_place():
    problems = [(path.stem, each) for path in PATHS for each in examine(path.read_bytes(), installed())[1]]
    assert [(name, each) for name, each in problems if each.position is None] == []


def test_the_malformed_flow_stays_refused_at_line_2():
    path = FLOWS / f"{MALFORMED}.yaml"
    errors = errors_of(path)
    assert [error.position for error in errors] == [Position(2, 3)]
    assert errors[0].suggestion


def test_every_flow_that_checks_clean_validates_against_the_schema():
    validator = jsonschema.Draft202012Validator(make_schema(installed()))
    clean = [path for path in PATHS if not errors_of(path)]
    faults = {path.stem: [*map(str, validator.iter_errors(read(path.read_bytes()).root))] for path in clean}
    assert len(clean) >= 50
    assert {name: found for name, found in faults.items() if found} == {}


def test_the_schema_of_this_installation_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(make_schema(installed()))
