"""Parameters brought to what the manifest declares."""

import pytest

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, StateType, Syntax
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.run import start
from tests.unit.engine.machine.small import make_host, make_program, state


def run(parameters, given, **variables):
    seen = []
    named = {parameter.name: parameter for parameter in parameters}
    kind = StateType(type="do", parameters=named, load=lambda: lambda got, step: seen.append(dict(got)))
    catalogue = Catalogue(states={**CONTROL, "do": kind})
    program = make_program(state("work", "do", "end", **given), catalogue=catalogue)
    result = start(program, make_host(catalogue=catalogue, outer={"SECRET": "hunter22"}), variables=variables)
    return seen, result


def test_placeholders_are_evaluated_and_defaults_filled_in():
    parameters = [Parameter(name="a"), Parameter(name="b", default=5), Parameter(name="c")]
    assert run(parameters, {"a": "{x}"}, x=[1])[0] == [{"a": [1], "b": 5}]


def test_a_literal_is_not_evaluated():
    assert run([Parameter(name="a", syntax=Syntax.LITERAL)], {"a": "{x}"}, x=1)[0] == [{"a": "{x}"}]


def test_an_empty_value_is_the_default():
    assert run([Parameter(name="a", default=5)], {"a": "{x}"}, x=None)[0] == [{"a": 5}]


def test_a_required_parameter_without_value_fails_by_name():
    assert (
        run([Parameter(name="a", required=True)], {"a": "{x}"}, x=None)[1].error
        == "the parameter 'a' of 'work' has no value"
    )


def test_a_value_that_does_not_fit_fails_by_name():
    _, result = run([Parameter(name="a", types=("integer",))], {"a": "{x}"}, x="many")
    assert result.error == "the parameter 'a' of 'work' must be of the type integer, not 'many'"


@pytest.mark.parametrize("given", ["{NOT_SET}", "${NOT_SET}", "{ account.token }"])
def test_a_placeholder_that_nothing_fills_is_no_secret(given):
    def perform(parameters, step):
        raise PermanentError(f"a is {parameters['a']}, a variable that is not set")

    kind = StateType(type="do", parameters={"a": Parameter(name="a", secret=True)}, load=lambda: perform)
    catalogue = Catalogue(states={**CONTROL, "do": kind})
    failed = start(make_program(state("w", "do", a=given), catalogue=catalogue), make_host(catalogue=catalogue))
    assert failed.error == f"a is {given}, a variable that is not set"


def test_a_secret_parameter_is_masked_from_then_on():
    _, result = run([Parameter(name="a", secret=True)], {"a": "{pass}word"}, **{"pass": "hunter"})
    assert result.variables == {"pass": "hunter"}
    _, result = run([Parameter(name="a", secret=True)], {"a": "{kept}"}, kept="hunter22")
    assert result.variables == {"kept": "***"}


def test_a_type_that_wants_texts_gets_them_for_placeholders_and_not_for_what_was_written():
    seen = []
    typed = {"count": Parameter(name="count", types=("integer",))}
    kind = StateType(
        type="do",
        parameters=typed,
        open_parameters=True,
        texts=True,
        load=lambda: lambda got, step: seen.append(dict(got)),
    )
    catalogue = Catalogue(states={**CONTROL, "do": kind})
    given = {"a": "{x}", "b": 5, "c": "{rows}", "count": "{x}"}
    start(
        make_program(state("work", "do", "end", **given), catalogue=catalogue),
        make_host(catalogue=catalogue),
        variables={"x": 7, "rows": [1]},
    )
    assert seen == [{"a": "7", "b": 5, "c": [1], "count": 7}]
