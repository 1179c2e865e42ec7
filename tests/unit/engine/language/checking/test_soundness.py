"""What is called sound compiles, whatever it is; and the usual texts are called so."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intellyhub_engine.catalogue.manifest import Syntax
from intellyhub_engine.language.checking.soundness import MAX_OPENED, SHORT, is_sound
from intellyhub_engine.language.compile import compile_value

WORDS = [
    *("a", "b.c", "{a}", "{b.c}", "{__a}", "{class}", "a.if", "None", "True", "{None}", "_op_x", "not", "NOT"),
    *("and", "or", "AND", "&&", "||", "==", "!=", "<", ">=", "<>", "===", "=", "!", "in", "is", "contains any"),
    *(
        "contains",
        "any",
        "starts with",
        "empty",
        "is not empty",
        "matches",
        "not contains",
        "is empty",
        "'x'",
        "'{a}'",
        '"{b.c}!"',
        "'{__a}'",
        "'$a'",
        "''",
        "'\\'",
        "0",
        "1",
        "-2",
        "3.5",
        "007",
    ),
    *("1.", "9e9", "(", ")", "[", "]", "{", "}", "$a", "$", "if", "else", "lambda", ":", "1if", "len({a})"),
    *("\n", "\t", "", "è", "²"),
]


def sentences(words=WORDS):
    return st.lists(st.tuples(st.sampled_from(words), st.sampled_from(["", " ", "  "])), max_size=12).map(
        lambda pairs: "".join(word + space for word, space in pairs)
    )


@pytest.mark.parametrize("syntax", [Syntax.CONDITION, Syntax.TEMPLATE, Syntax.SHELL, Syntax.CODE])
@given(text=st.one_of(sentences(), st.text(max_size=60)), dollar_names=st.booleans())
@example(text="{x} == '{y}' and not z.w < -1.5 OR True != None", dollar_names=False)
@example(text="a and ", dollar_names=False)  # possessive groups of Python 3.11.2 matched it
@example(text="{" + "-" * 148 + "x}", dollar_names=False)
@example(text="{" + "[" * 74 + "x" + "]" * 74 + "}", dollar_names=False)
@example(text="-" * (SHORT - 1) + "x", dollar_names=False)
@example(text='"`' * (MAX_OPENED // 2), dollar_names=False)
@example(text="$(" * (MAX_OPENED // 2), dollar_names=False)
@example(text="( " * MAX_OPENED, dollar_names=False)
@example(text="a contains any", dollar_names=False)
@example(text="a not contains any b", dollar_names=False)
@example(text="None_op_x == a", dollar_names=False)
@example(text="a" + " and a" * 80, dollar_names=True)
def test_what_is_sound_compiles(syntax, text, dollar_names):
    if is_sound(text, syntax, dollar_names=dollar_names):
        compile_value(text, syntax, dollar_names=dollar_names)


OPERANDS = ["{a}", "{b.c}", "a", "b_1.c", "'x y'", "'{a}'", '"<{b.c}>"', "''", "12", "-3", "0", "4.75", "True", "False"]


@given(
    terms=st.lists(
        st.tuples(
            st.sampled_from(["", "not "]),
            st.sampled_from(OPERANDS),
            st.sampled_from(["==", " != ", "<=", " >", " contains ", " contains  any ", " ends with ", " not in "]),
            st.sampled_from(OPERANDS),
        ),
        min_size=1,
        max_size=5,
    ),
    joint=st.sampled_from(["and", "or", "AND", "OR", "&&", "||"]),
)
def test_usual_conditions_are_sound_and_compile(terms, joint):
    text = f" {joint} ".join("".join(term) for term in terms)
    assert is_sound(text, Syntax.CONDITION, dollar_names=False)
    compile_value(text, Syntax.CONDITION, dollar_names=False)


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("event.title contains any {words} or {body} is not empty", Syntax.CONDITION),
        ("Hello {name}, {a.b|upper}", Syntax.TEMPLATE),
        ('{"json": {x}}', Syntax.TEMPLATE),
        ("echo \"{name}\" >> '{file}.txt'", Syntax.SHELL),
        ("total = price * 2\ntotal", Syntax.CODE),
    ],
)
def test_usual_texts_are_sound(text, syntax):
    assert is_sound(text, syntax, dollar_names=True)


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("{% for %}", Syntax.TEMPLATE),
        ("{{ x | nothing }}", Syntax.TEMPLATE),
        ("cat <<'E!F'\n{x}\nE!F\n", Syntax.SHELL),
        ("return 1", Syntax.CODE),
        ("x = = 2", Syntax.CODE),
        ("print('{name}')", Syntax.CODE),
        ("{x} ==", Syntax.CONDITION),
        ("{x} = 1", Syntax.CONDITION),
        ("{class} == 1", Syntax.CONDITION),
        ("'{a.__b}' == 'x'", Syntax.CONDITION),
        ("007 == {x}", Syntax.CONDITION),
        ("", Syntax.CONDITION),
        ("a contains None", Syntax.CONDITION),
    ],
)
def test_what_only_compiling_can_tell_is_not_called_sound(text, syntax):
    assert not is_sound(text, syntax, dollar_names=False)


def test_a_literal_is_always_sound():
    assert is_sound("{% for %}", Syntax.LITERAL, dollar_names=False)
