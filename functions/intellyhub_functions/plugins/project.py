"""What a plugin without manifest.json says of itself: pyproject.toml, or the script metadata of a single file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import InputInvalid

__all__ = ["read_project", "table"]

SCRIPT = re.compile(r"(?m)^# /// script\s*$\n(?P<content>(?:^#(?:| .*)$\n)+?)^# ///\s*$")
"""https://packaging.python.org/specifications/inline-script-metadata"""
OWN = ("tool", "intellyhub")
"""The table that is for us."""
FIRST_VERSION = "0.0.0"
MAX_BYTES = 1 << 20


def read_project(folder: Path) -> dict[str, Any]:
    """Name, version, description, requirements, and the keys of `[tool.intellyhub]` (hosts, secrets and the like)."""
    if folder.is_file():
        script = SCRIPT.search(folder.read_text(encoding="utf-8-sig", errors="replace")[:MAX_BYTES])
        settings = parse(uncommented(script["content"]), folder) if script else {}
        return {
            "name": folder.stem,
            "version": FIRST_VERSION,
            **table(settings, *OWN),
            "requirements": settings.get("dependencies", []),
        }
    written = folder / "pyproject.toml"
    if not written.is_file():
        return {} if (folder / "manifest.json").is_file() else {"name": folder.name, "version": FIRST_VERSION}
    settings = parse(written.read_text(encoding="utf-8", errors="replace")[:MAX_BYTES], written)
    project = table(settings, "project")
    people, needed = rows(project, "authors"), rows(project, "dependencies")
    authors = [str(each["name"]) for each in people if isinstance(each, dict) and "name" in each]
    told = {
        "name": str(project.get("name", folder.name)).removeprefix("intellyhub-plugin-"),
        "version": project.get("version", FIRST_VERSION),
        "description": project.get("description", ""),
        "author": ", ".join(authors),
        "license": project.get("license") if isinstance(project.get("license"), str) else "",
        "requirements": [each for each in needed if not is_ours(each)],
    }
    return {**told, **table(settings, *OWN)}


def parse(text: str, path: Path) -> dict[str, Any]:
    import tomllib  # late: only plugins without a manifest.json need it

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise InputInvalid(f"{path}: {fault}") from fault


def table(settings: dict[str, Any], *path: str) -> dict[str, Any]:
    """The table `[a.b]`; empty where it is not there, or something else is."""
    found: Any = settings
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def rows(project: dict[str, Any], key: str) -> list[Any]:
    found = project.get(key)
    return found if isinstance(found, list) else []


def uncommented(content: str) -> str:
    return "".join(line[2:] if line.startswith("# ") else line[1:] for line in content.splitlines(keepends=True))


def is_ours(requirement: Any) -> bool:
    """What runs the plugin brings it: it is not installed into its layer."""
    return not isinstance(requirement, str) or re.split(r"[^A-Za-z0-9_-]", requirement, maxsplit=1)[0].replace(
        "_", "-"
    ) in ("intellyhub", "intellyhub-functions", "intellyhub-engine")
