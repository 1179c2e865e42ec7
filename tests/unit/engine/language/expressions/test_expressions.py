"""The restricted expressions: what compiled code may name."""

import ast

import pytest

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.expressions import parse_expression
from intellyhub_engine.language.expressions.operators import RUNTIME
from intellyhub_engine.language.expressions.rewriter import Rewriter


def rewritten(text: str) -> ast.expr:
    return Rewriter().value(parse_expression(text))


@pytest.mark.parametrize(
    "text",
    [
        "a.b[c].d",
        "f'{a:>{b}}'",
        "[x for x in y if x]",
        "{k: v for k, v in a.items()}",
        "a + b * c ** d",
        "a < b < c",
        "-a",
        "a if b else c",
        "a and b or not c",
        "len(a) + max(b, c)",
        "a.get('b', c)[1:2]",
        "{a, b} | {c: d}",
        "(a, [b])",
    ],
)
def test_compiled_code_names_only_what_the_runtime_has(text: str) -> None:
    for node in ast.walk(rewritten(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            assert node.id in RUNTIME or node.id in ("s", "b") or node.id.startswith(("v_", "t_")), node.id
        assert not isinstance(node, ast.Attribute)
        assert not isinstance(node, ast.BinOp)


@pytest.mark.parametrize("kind", list(ast.expr.__subclasses__()))
def test_every_kind_of_node_is_decided(kind: type[ast.expr]) -> None:
    """Allowed ones are listed here, so that a new Python's new syntax is refused until someone looks at it."""
    allowed = (
        "Attribute BinOp BoolOp Call Compare Constant Dict DictComp GeneratorExp IfExp JoinedStr List ListComp Name"
    )
    allowed += " Set SetComp Subscript Tuple UnaryOp"
    from intellyhub_engine.language.expressions.rewriter import _REWRITES

    assert (kind in _REWRITES) is (kind.__name__ in allowed.split())


def test_the_names_read_are_collected() -> None:
    rewriter = Rewriter()
    rewriter.value(parse_expression("[a + b.c for a in d if len(e[f]) > 0]"))
    assert rewriter.names == {"b", "d", "e", "f"}


@pytest.mark.parametrize("text", ["a b", "a +", "", "x" * 30_000, "(" * 400, "1 if 2"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionInvalid):
        parse_expression(text)
