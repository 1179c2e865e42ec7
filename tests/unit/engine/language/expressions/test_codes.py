"""Compiled codes."""

import pytest

from intellyhub_engine.errors import EngineError, EvaluationFailed, PermanentError
from intellyhub_engine.language.expressions.codes import Code, ExpressionInvalid, link
from intellyhub_engine.language.values.scope import Scope


@pytest.mark.parametrize("value", [1, None, "text", True])
def test_a_constant_is_itself(value: object) -> None:
    assert link(Code("constant", value))(Scope()) == value


def test_the_faults_are_of_the_two_families() -> None:
    assert issubclass(ExpressionInvalid, EngineError)
    assert not issubclass(ExpressionInvalid, PermanentError)
    assert issubclass(EvaluationFailed, PermanentError)
