"""`intellyhub`, as authors of plugins use it in their own tests."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest

from intellyhub import Context, Event, Failed, Range, Result, SourceContext, source, state
from intellyhub.testing import listen, perform


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float = 0.0


@state
def paint(
    context: Context,
    colour: Colour,
    points: list[Point],
    on: date,
    size: Annotated[int, Range(1, 3)] | None = None,
    mode: Literal[1, 2] = 1,
    file: Path = Path("x"),
) -> Result:
    """Paints."""
    return Result(value=(colour, points, on, size, mode, file), variables={"where": str(context.workspace)})


@source
async def count(context: SourceContext, to: int) -> AsyncIterator[Event]:
    """Counts."""
    for number in range(1, to + 1):
        context.place = number
        yield Event({"number": number}, id=str(number))


def test_a_function_stays_a_function():
    assert paint(Context(), Colour.RED, [], date(2024, 1, 1)).value[0] is Colour.RED


def test_values_of_a_flow_become_what_the_annotations_say():
    result = perform(
        paint,
        workspace=Path("/w"),
        colour="BLUE",
        points=[{"x": "1"}, {"x": 2, "y": "3"}],
        on="2024-02-29",
        size="2",
        mode="2",
        file="a/b",
    )
    assert result.value == (Colour.BLUE, [Point(1.0), Point(2.0, 3.0)], date(2024, 2, 29), 2, 2, Path("a/b"))
    assert result.variables == {"where": "/w"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "the parameter 'colour' is missing"),
        ({"colour": "green"}, "'green', and not one of red, blue"),
        ({"colour": "red", "points": [], "on": "soon"}, "the parameter 'on' cannot be a date"),
        ({"colour": "red", "points": [], "on": "2024-01-01", "pints": 1}, "there is no parameter 'pints'"),
    ],
)
def test_what_does_not_fit_is_said(given, said):
    with pytest.raises(Failed, match=said):
        perform(paint, **given)


def test_a_source_is_listened_to_and_closed():
    places: list[int] = []
    context = SourceContext(keep_place=places.append)
    events = listen(count, events=2, to=5, context=context)
    assert [(event.id, event.data) for event in events] == [("1", {"number": 1}), ("2", {"number": 2})]
    assert places == [1, 2]
    assert context.stopping.is_set()


def test_what_is_not_decorated_is_refused():
    with pytest.raises(TypeError, match="decorate it with @state"):
        perform(len)


def test_the_package_stands_alone():
    code = "import sys, intellyhub, intellyhub.testing; print([n for n in sys.modules if 'intellyhub_' in n])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
