"""Plugins to install, as files."""

from __future__ import annotations

import json
from typing import Any


def state_plugin(name: str = "shout", version: str = "1.0.0", **manifest: Any) -> dict[str, str]:
    """A published plugin with one state."""
    kind = manifest.pop("state_type", name.replace("-", "_"))
    facts = {
        "name": name,
        "version": version,
        "description": f"Does {name}.",
        "author": "Ada",
        "license": "MIT",
        "entry_file": f"{kind}_state.py",
        "state_type": kind,
        **manifest,
    }
    code = f"""\
from .base_state import BaseState


class {kind.title().replace("_", "")}State(BaseState):
    state_type = "{kind}"

    def execute(self, variables):
        variables["said"] = "{version}"
        return self.state_config.get("transition")
"""
    return {"manifest.json": json.dumps(facts), f"{kind}_state.py": code}


def under(folder: str, files: dict[str, str]) -> dict[str, str]:
    """The files in a folder."""
    return {f"{folder}/{name}": text for name, text in files.items()}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
