"""A plugin for tests, written with `intellyhub`."""

from __future__ import annotations

__all__ = ["NATIVE", "NATIVE_PROJECT"]

NATIVE = '''
"""States and a source written with `intellyhub`."""
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Iterator, Literal

from intellyhub import Alias, Context, Event, Failed, Range, Result, RetryLater, Secret, SourceContext, source, state


class Tone(StrEnum):
    WARM = "warm"
    SHORT = "short"


@dataclass
class Person:
    name: str
    age: int = 0


@dataclass
class Tick:
    number: int


@state(aliases=("hello",), pure=True)
def greet(name: Annotated[str, Alias("who")], tone: Tone = Tone.WARM, times: Annotated[int, Range(1, 10)] = 1) -> str:
    """Greets a person.

    Args:
        name: Who is greeted.
        tone: How.
        times: How often.
    """
    return " ".join([f"Dear {name}," if tone is Tone.WARM else name] * times)


@state(timeout_seconds=0.5)
def introduce(
    person: Person,
    context: Context,
    key: Secret | None = None,
    mode: Literal["say", "fail", "later", "hang", "jump"] = "say",
):
    """Introduces somebody."""
    if mode == "fail":
        raise Failed("nobody listens")
    if mode == "later":
        raise RetryLater("busy", after_seconds=7)
    if mode == "hang":
        import time
        time.sleep(60)
    context.log("warning", f"introducing {person.name}")
    value = {"name": person.name, "age": person.age, "secret": context.secrets.get("ACME_KEY"), "state": context.state}
    return Result(value=value, variables={"introduced": person}, goes_to="other" if mode == "jump" else None)


@state
async def double(number: float) -> float:
    """Doubles a number."""
    return number * 2


@source
def ticks(context: SourceContext, times: int = 3, fail_at: int | None = None) -> Iterator[Tick]:
    """Ticks, and goes on where it was."""
    number = context.place or 0
    while number < times and not context.sleep(0.01):
        number += 1
        if number == fail_at:
            raise RuntimeError("out of order")
        yield Event({"number": number}, id=f"tick-{number}", subject="tick")
        context.place = number
    context.disconnected("no more ticks")
    context.sleep(60)
'''
NATIVE_PROJECT = """
[project]
name = "intellyhub-plugin-acme"
version = "3.1.0"
description = "Greets."
authors = [{name = "Ada"}]
dependencies = ["intellyhub-functions", "humanize>=4"]

[tool.intellyhub]
secrets = ["ACME_KEY"]
hosts = ["api.acme.example"]
"""
