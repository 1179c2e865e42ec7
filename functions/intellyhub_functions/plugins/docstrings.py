"""Docstrings as documentation: what a function does, what each parameter is (in Google's or Sphinx's form)."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

__all__ = ["Described", "describe"]

SECTION = re.compile(r"(Args|Arguments|Parameters|Returns|Return|Yields|Raises|Example|Examples|Note|Notes)\s*:\s*")
GOOGLE = re.compile(r"\*{0,2}(?P<name>[A-Za-z_]\w*)\s*(?:\([^)]*\))?\s*:\s+(?P<text>.*)")
SPHINX = re.compile(r":(?:param|parameter|arg)\s+(?:[^:]*\s)?(?P<name>\w+)\s*:\s*(?P<text>.*)")
FIELD = re.compile(r":\w+.*:")


class Described(NamedTuple):
    """What a docstring says."""

    summary: str
    """Its first paragraph, in one line."""
    parameters: dict[str, str]
    returns: str = ""


def describe(docstring: str | None) -> Described:
    """Read a docstring; one in no known form is all summary."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    summary = " ".join(line.strip() for line in first_paragraph(lines))
    parameters: dict[str, str] = {}
    returns: list[str] = []
    section, name = "", ""
    for line in lines:
        heading = SECTION.fullmatch(line.strip())
        sphinx = SPHINX.match(line.strip())
        google = GOOGLE.match(line.strip()) if section in ("Args", "Arguments", "Parameters") else None
        if heading and not line.startswith(" "):
            section, name = heading[1], ""
        elif sphinx:
            name = sphinx["name"]
            parameters[name] = sphinx["text"].strip()
        elif google and indent(line) <= 4:
            name = google["name"]
            parameters[name] = google["text"].strip()
        elif section in ("Returns", "Return") and line.strip():
            returns.append(line.strip())
        elif name and line.startswith(" ") and line.strip():
            parameters[name] = f"{parameters[name]} {line.strip()}".strip()
        else:
            name = ""
    return Described(summary, {name: sentence(text) for name, text in parameters.items()}, sentence(" ".join(returns)))


def first_paragraph(lines: list[str]) -> list[str]:
    """Up to the first empty line or section."""
    for at, line in enumerate(lines):
        if not line.strip() or SECTION.fullmatch(line.strip()) or FIELD.match(line.strip()):
            return lines[:at]
    return lines


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def sentence(text: str) -> str:
    """With a full stop."""
    return text if not text or text.endswith((".", "!", "?", "…")) else text + "."
