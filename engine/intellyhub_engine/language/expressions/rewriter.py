"""Python expressions, restricted: a syntax tree of an author's text becomes one that only calls guarded functions.

What has no entry in the tables here is refused. Names become look-ups in the scope, attributes and items go through
`access`, operators through `arithmetic` and `comparison`; the result knows no builtin, no class and no module.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.expressions.comparison import NATURAL, UNARY_NATURAL
from intellyhub_engine.language.expressions.expressions import MARK, call, constant, later, load, refused
from intellyhub_engine.language.expressions.filters import FILTERS, LIST_FILTERS
from intellyhub_engine.language.expressions.functions import CLASS_NAMES, FUNCTIONS
from intellyhub_engine.language.expressions.library import CONSTANTS, LIBRARY
from intellyhub_engine.language.expressions.operators import name_of

__all__ = ["Rewriter", "filter_name"]

WORDS = {"true": True, "false": False, "none": None, "null": None}
"""Constants beside Python's (section 3.7)."""

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.In: "inside",
    ast.NotIn: "not_inside",
    ast.Is: "is_",
    ast.IsNot: "is_not",
}
_QUICK = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_QUICK_KINDS = {str: ("str",), int: ("int", "float"), float: ("float", "int")}
"""Class of a constant -> names of the classes that Python compares with it as we do."""
_REFERENCES = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)


class Rewriter:
    """Rewrites the expressions of one compiled text; collects what they need."""

    def __init__(self, *, fill_text: Callable[[str], ast.expr | None] | None = None) -> None:
        self.names: set[str] = set()
        """Root names read."""
        self.spends = False
        """Whether the code needs a budget."""
        self.marks: dict[str, ast.expr] = {}
        """Stand-ins in the text -> the rewritten code they stand for."""
        self.imports: dict[str, str] = {}
        """Names bound by an import expression -> dotted names."""
        self.lenient = False
        """Jinja's way: what is missing is None."""
        self.scopes: list[dict[str, str]] = []
        """Loop variables and the like, innermost last -> what compiled code calls them."""
        self._fill_text = fill_text
        self._temporaries = 0

    def value(self, node: ast.expr) -> ast.expr:
        """The guarded code of an expression."""
        rewrite = _REWRITES.get(type(node))
        if rewrite is None:
            raise refused(node, f"{_words(node)} cannot stand in an expression")
        return rewrite(self, node)

    def truth(self, node: ast.expr) -> ast.expr:
        """The guarded code of an expression of which only the truth matters; it gives a bool."""
        if isinstance(node, ast.BoolOp):
            return ast.BoolOp(node.op, [self.truth(value) for value in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ast.UnaryOp(ast.Not(), self.truth(node.operand))
        if isinstance(node, ast.Compare):
            return self.value(node)
        return call("truth" if isinstance(node, _REFERENCES) else "bool", self.value(node))

    def budget(self) -> ast.expr:
        """The budget of the evaluation."""
        self.spends = True
        return load("b")

    def name(self, node: ast.Name) -> ast.expr:
        if node.id in self.marks:
            return self.marks[node.id]
        if (local := self._local(node.id)) is not None:
            return load(local)
        if node.id in WORDS:
            return constant(WORDS[node.id])
        if node.id.startswith("__") or node.id.startswith(MARK):
            raise refused(node, f"the name {node.id!r} is not for flows")
        if node.id in self.imports:
            raise refused(node, f"{node.id!r} is a module, not a value")
        self.names.add(node.id)
        if self.lenient:
            return call("soft_name", load("s"), constant(node.id))
        return ast.Subscript(load("s"), constant(node.id), ast.Load())

    def constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, str) and self._fill_text is not None:
            return self._fill_text(node.value) or node
        if not isinstance(node.value, (str, int, float, bytes, bool, type(None))):
            raise refused(node, f"{node.value!r} cannot stand in an expression")
        return node

    def attribute(self, node: ast.Attribute) -> ast.expr:
        known = self._library_name(node)
        if known in CONSTANTS:
            return call("imported", constant(known))
        name = constant(_attribute_name(node))
        return call("soft_attribute" if self.lenient else "get_attribute", self.value(node.value), name)

    def subscript(self, node: ast.Subscript) -> ast.expr:
        value, index = self.value(node.value), node.slice
        if isinstance(index, ast.Slice):
            bounds = [self.value(part) if part else constant(None) for part in (index.lower, index.upper, index.step)]
            sliced = call("soft_items", value) if self.lenient else value
            return call("slice_of", self.budget(), sliced, *bounds)
        if isinstance(index, ast.Name) and index.id not in WORDS and self._local(index.id) is None:
            return call("bare_item", value, later(self.value(index)), constant(index.id))
        return call("soft_item" if self.lenient else "get_item", value, self.value(index))

    def binary(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.op, ast.BitOr) and filter_name(node.right) in FILTERS:
            return self._filter(node)
        name = name_of("binary", type(node.op).__name__)
        return call(name, self.budget(), self.value(node.left), self.value(node.right))

    def _filter(self, node: ast.BinOp) -> ast.expr:
        name = filter_name(node.right)
        arguments, keywords = self._arguments(node.right) if isinstance(node.right, ast.Call) else ([], [])
        value = self.value(node.left)
        if name in ("default", "d"):
            value = call("or_none", later(value))
        elif self.lenient and name in LIST_FILTERS:
            value = call("soft_items", value)
        return call(name_of("filter", name), self.budget(), load("s"), value, *arguments, keywords=keywords)

    def unary(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return self.truth(node)
        if isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, (int, float)):
            return ast.UnaryOp(node.op, node.operand)
        return call(name_of("unary", type(node.op).__name__), self.value(node.operand))

    def boolean(self, node: ast.BoolOp) -> ast.expr:
        return ast.BoolOp(node.op, [self.value(value) for value in node.values])

    def choice(self, node: ast.IfExp) -> ast.expr:
        return ast.IfExp(self.truth(node.test), self.value(node.body), self.value(node.orelse))

    def compare(self, node: ast.Compare) -> ast.expr:
        if any(isinstance(part, ast.Name) and part.id in _NATURAL_MARKS for part in node.comparators):
            return self._natural(node)
        names = [_COMPARISONS[type(operator)] for operator in node.ops]
        if len(names) == 1:
            return self._quick(node) or self._compared(
                load(names[0]), self.value(node.left), self.value(node.comparators[0])
            )
        operands = [self.value(part) for part in (node.left, *node.comparators)]
        compared = ast.Tuple([load(name) for name in names], ast.Load())
        return self._compared(load("chain"), compared, *operands)

    def _compared(self, compare: ast.expr, *operands: ast.expr) -> ast.expr:
        """The comparison; where something is looped over it is made often, and paid for."""
        if self.scopes:
            return call("paid", self.budget(), compare, *operands)
        return ast.Call(compare, list(operands), [])

    def _quick(self, node: ast.Compare) -> ast.expr | None:
        """Beside a constant: Python's own comparison where the value is of the constant's kind."""
        right, operator = node.comparators[0], node.ops[0]
        if self.scopes or not isinstance(operator, _QUICK) or not isinstance(right, ast.Constant):
            return None
        kinds = _QUICK_KINDS.get(type(right.value), ())
        if not kinds or (kept := self.value(right)) is not right:
            return None
        left = self.value(node.left)
        if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str) and kinds == ("str",):
            return ast.Compare(left, [operator], [right])
        value, name = self._stored(left)
        tests: list[ast.expr] = [
            ast.Compare(call("type", load(name) if index else value), [ast.Is()], [load(kind)])
            for index, kind in enumerate(kinds)
        ]
        test = tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests)
        plain = ast.Compare(load(name), [operator], [right])
        return ast.IfExp(test, plain, call(_COMPARISONS[type(operator)], load(name), kept))

    def text(self, value: ast.expr) -> ast.expr:
        """The code of the text of a rewritten value."""
        if self.scopes:
            return call("text_of", value)
        stored, name = self._stored(value)
        is_text = ast.Compare(call("type", stored), [ast.Is()], [load("str")])
        return ast.IfExp(is_text, load(name), call("text_of", load(name)))

    def _stored(self, value: ast.expr) -> tuple[ast.expr, str]:
        """The value, and what it is called from then on; Python allows none where something is looped over."""
        self._temporaries += 1
        name = f"t_{self._temporaries}"
        return ast.NamedExpr(ast.Name(name, ast.Store()), value), name

    def _natural(self, node: ast.Compare) -> ast.expr:
        mark = node.comparators[0]
        operator = _NATURAL_MARKS.get(mark.id) if isinstance(mark, ast.Name) else None
        operands = [node.left, *node.comparators[1:]]
        if operator is None or len(operands) != (1 if operator in UNARY_NATURAL else 2):
            raise refused(node, "put parentheses around each comparison")
        return self._compared(load(name_of("natural", operator)), *(self.value(operand) for operand in operands))

    def called(self, node: ast.Call) -> ast.expr:
        arguments, keywords = self._arguments(node)
        known = self._library_name(node.func)
        if known in LIBRARY:
            function = call("imported", constant(known))
            return ast.Call(function, [self.budget(), load("s"), *arguments], keywords)
        if isinstance(node.func, ast.Attribute):
            method = constant(_attribute_name(node.func))
            return call(
                "call_method", self.budget(), self.value(node.func.value), method, *arguments, keywords=keywords
            )
        if isinstance(node.func, ast.Name) and node.func.id == MARK + "check" and self.lenient:
            return call("check", *arguments)
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            raise _unknown_function(node)
        return call(name_of("function", node.func.id), self.budget(), load("s"), *arguments, keywords=keywords)

    def _arguments(self, node: ast.Call) -> tuple[list[ast.expr], list[ast.keyword]]:
        keywords = []
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg.startswith("_"):
                raise refused(node, "such an argument cannot be given in an expression")
            keywords.append(ast.keyword(keyword.arg, self.value(keyword.value)))
        if isinstance(node.func, ast.Name) and node.func.id == "isinstance" and len(node.args) == 2:
            return [self.value(node.args[0]), _class_names(node.args[1])], keywords
        return [self.value(argument) for argument in node.args], keywords

    def _library_name(self, node: ast.expr) -> str | None:
        """The dotted name that the import expression and the attributes spell, where the library has it."""
        if not self.imports:
            return None
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imports or self._local(node.id):
            return None
        dotted = ".".join((self.imports[node.id], *reversed(parts)))
        return dotted if dotted in LIBRARY or dotted in CONSTANTS else None

    def sequence(self, node: ast.List | ast.Tuple | ast.Set) -> ast.expr:
        items = [self.value(item) for item in node.elts]
        if isinstance(node, ast.Set):
            return call("set_of", ast.List(items, ast.Load()))
        return type(node)(items, ast.Load())

    def mapping(self, node: ast.Dict) -> ast.expr:
        pairs: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                raise refused(node, "** cannot stand in an expression")
            pairs.append(ast.Tuple([self.value(key), self.value(value)], ast.Load()))
        return call("record_of", ast.List(pairs, ast.Load()))

    def formatted(self, node: ast.JoinedStr) -> ast.expr:
        parts = [self._formatted_part(part) for part in node.values]
        return call("concatenate", self.budget(), *parts)

    def _formatted_part(self, part: ast.expr) -> ast.expr:
        if not isinstance(part, ast.FormattedValue):
            return part
        if part.conversion != -1:
            raise refused(part, "conversions such as !r cannot stand in an expression")
        spec = self.formatted(part.format_spec) if isinstance(part.format_spec, ast.JoinedStr) else constant("")
        return call("format_value", self.budget(), self.value(part.value), spec)

    def comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp) -> ast.expr:
        self.budget()
        depth = len(self.scopes)
        generators = [self._generator(generator) for generator in node.generators]
        if isinstance(node, ast.DictComp):
            pair = ast.Tuple([self.value(node.key), self.value(node.value)], ast.Load())
            made: ast.expr = call("record_of", ast.ListComp(pair, generators))
        else:
            made = ast.ListComp(self.value(node.elt), generators)
            made = call("set_of", made) if isinstance(node, ast.SetComp) else made
        del self.scopes[depth:]
        return made

    def _generator(self, node: ast.comprehension) -> ast.comprehension:
        names = sorted({part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)})
        self.scopes.append({})  # no temporaries in what is looped over
        items = call("ticks", self.budget(), self.value(node.iter))
        self.enter(names)
        return ast.comprehension(self.target(node.target), items, [self.truth(test) for test in node.ifs], 0)

    def enter(self, names: Iterable[str]) -> dict[str, str]:
        """Begin to understand names as local variables; answers what compiled code calls them."""
        self._temporaries += 1
        self.scopes.append({name: f"v_{self._temporaries}_{name}" for name in names})
        return dict(self.scopes[-1])

    def target(self, node: ast.expr) -> ast.expr:
        """What local variables are assigned."""
        if isinstance(node, ast.Name) and (local := self._local(node.id)) is not None:
            return ast.Name(local, ast.Store())
        if isinstance(node, (ast.Tuple, ast.List)):
            return ast.Tuple([self.target(part) for part in node.elts], ast.Store())
        raise refused(node, "a loop variable is a name")

    def _local(self, name: str) -> str | None:
        return next((names[name] for names in reversed(self.scopes) if name in names), None)


def filter_name(node: ast.expr) -> str:
    """The name of what may be a filter, applied or not; empty when it is none."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.id if isinstance(node, ast.Name) else ""


def _class_names(node: ast.expr) -> ast.expr:
    classes = node.elts if isinstance(node, ast.Tuple) else [node]
    if not all(isinstance(kind, ast.Name) and kind.id in CLASS_NAMES for kind in classes):
        raise refused(node, f"isinstance takes one of {', '.join(sorted(CLASS_NAMES))}")
    return constant(tuple(kind.id for kind in classes if isinstance(kind, ast.Name)))


def _attribute_name(node: ast.Attribute) -> str:
    if node.attr.startswith("__"):
        raise refused(node, f"the attribute {node.attr!r} is not for flows")
    return node.attr


def _unknown_function(node: ast.Call) -> ExpressionInvalid:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    close = get_close_matches(name, FUNCTIONS, 1)
    suggestion = f"did you mean {close[0]}()?" if close else "a Python block can call anything"
    return ExpressionInvalid(
        f"there is no function {name!r}", offset=getattr(node, "col_offset", 0), suggestion=suggestion
    )


def _words(node: ast.AST) -> str:
    return {"Lambda": "a function", "NamedExpr": "an assignment", "Starred": "*"}.get(type(node).__name__, "this")


_NATURAL_MARKS = {MARK + name.replace(" ", "_"): name for name in NATURAL}

_REWRITES: dict[type[ast.expr], Callable[[Rewriter, Any], ast.expr]] = {
    ast.Attribute: Rewriter.attribute,
    ast.BinOp: Rewriter.binary,
    ast.BoolOp: Rewriter.boolean,
    ast.Call: Rewriter.called,
    ast.Compare: Rewriter.compare,
    ast.Constant: Rewriter.constant,
    ast.Dict: Rewriter.mapping,
    ast.DictComp: Rewriter.comprehension,
    ast.GeneratorExp: Rewriter.comprehension,
    ast.IfExp: Rewriter.choice,
    ast.JoinedStr: Rewriter.formatted,
    ast.List: Rewriter.sequence,
    ast.ListComp: Rewriter.comprehension,
    ast.Name: Rewriter.name,
    ast.Set: Rewriter.sequence,
    ast.SetComp: Rewriter.comprehension,
    ast.Subscript: Rewriter.subscript,
    ast.Tuple: Rewriter.sequence,
    ast.UnaryOp: Rewriter.unary,
}
"""Every kind of node that may stand in an expression."""
