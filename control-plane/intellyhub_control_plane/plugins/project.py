"""The files of a new plugin: a project that can be tested, installed from its folder, and published as a package."""

from __future__ import annotations

from string import Template

from intellyhub_control_plane.plugins.candidates import plugin_name
from intellyhub_control_plane.plugins.origins import PACKAGE_PREFIX
from intellyhub_engine.errors import InputInvalid

__all__ = ["make_project"]

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$package"
version = "0.1.0"
description = "$description"
readme = "README.md"
requires-python = ">=3.11"
dependencies = []  # packages that $name imports; they are installed for it alone

[tool.intellyhub]
hosts = []  # which hosts it talks to: whoever installs it sees them first
secrets = []  # which of the flow's secrets it is given, by name

[tool.hatch.build.targets.wheel.force-include]
"$module.py" = "$room/$module.py"
"pyproject.toml" = "$room/pyproject.toml"

[tool.pytest.ini_options]
pythonpath = ["."]
"""
STATE = '''\
"""$title: a state type for IntellyHub."""

from typing import Annotated

from intellyhub import Context, Failed, Range, state


@state
def $module(text: str, times: Annotated[int, Range(1, 10)] = 1, *, context: Context) -> str:
    """Says a text loudly.

    Args:
        text: What is said.
        times: How often.
    """
    if not text.strip():
        raise Failed("there is nothing to say")
    context.log("info", f"saying it {times} times")
    return " ".join([text.upper() + "!"] * times)
'''
STATE_TEST = '''\
"""The state type, called as a function and performed as by a flow."""

import pytest

from intellyhub import Failed
from intellyhub.testing import perform
from $module import $module


def test_a_text_is_said_loudly():
    assert perform($module, text="hello").value == "HELLO!"


def test_texts_from_placeholders_are_understood():
    assert perform($module, text="hello", times="2").value == "HELLO! HELLO!"


def test_an_empty_text_fails():
    with pytest.raises(Failed, match="nothing to say"):
        perform($module, text=" ")
'''
STATE_FLOW = """\
name: $name
variables:
  greeting: hello
states:
  say:
    state_type: $module
    text: "{greeting}"
    times: 2
    output: said
    transition: done
  done:
    state_type: end
    result: "{said}"
"""
SOURCE = '''\
"""$title: a source of events for IntellyHub."""

from collections.abc import Iterator

from intellyhub import Event, SourceContext, source


@source
def $module(every_seconds: float = 60, *, context: SourceContext) -> Iterator[Event]:
    """Counts, from where it stopped the last time.

    Args:
        every_seconds: How long it waits between two events.
    """
    number = context.load_place() or 0
    while not context.stopping.is_set():
        number += 1
        yield Event({"number": number}, id=str(number))
        context.keep_place(number)
        context.stopping.wait(every_seconds)
'''
SOURCE_TEST = '''\
"""The source, listened to as by a flow."""

from intellyhub.testing import listen
from $module import $module


def test_it_counts():
    events = listen($module, events=2, every_seconds=0)
    assert [event.data["number"] for event in events] == [1, 2]
'''
SOURCE_FLOW = """\
name: $name
listener:
  type: $module
  every_seconds: 10
states:
  note:
    state_type: set
    values:
      seen: "{event.number}"
    transition: end
"""
README = """\
# $title

$description

| what | how |
|---|---|
| try it | `python -m pytest` |
| use it in flows of this folder | `intellyhub plugins install . --here`, then `intellyhub run example.yaml` |
| use it on a platform | `intellyhub plugins install .` |
| publish it | `python -m build`, and upload it as `$package`; then anyone: `intellyhub plugins install $name` |
| sign it | write the SHA-256 sums of its files into `plugin.sums`, then `minisign -Sm plugin.sums` |
"""


def make_project(name: str, *, is_source: bool) -> dict[str, str]:
    """Content by path. Raises `InputInvalid` for a name that no module can have."""
    name = plugin_name(name)
    module = name.replace("-", "_").replace(".", "_")
    if not module.isidentifier():
        raise InputInvalid(f"{name!r} cannot be the name of a Python module; begin it with a letter")
    words = {
        "name": name,
        "module": module,
        "package": PACKAGE_PREFIX + name,
        "room": (PACKAGE_PREFIX + name).replace("-", "_").replace(".", "_"),
        "title": name.replace("-", " ").capitalize(),
        "description": f"A {'source' if is_source else 'state type'} for IntellyHub flows.",
    }
    code, test, flow = (SOURCE, SOURCE_TEST, SOURCE_FLOW) if is_source else (STATE, STATE_TEST, STATE_FLOW)
    files = {
        "pyproject.toml": PROJECT,
        f"{module}.py": code,
        f"test_{module}.py": test,
        "example.yaml": flow,
        "README.md": README,
    }
    return {path: Template(text).substitute(words) for path, text in files.items()}
