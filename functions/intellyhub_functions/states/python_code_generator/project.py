"""The folder that takes a written program, under the flow's workspace."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.states.python_code_generator.work import Work

__all__ = ["Project", "open_project"]

ROOT = "generated_projects"
NO_NAME = re.compile(r"[^\w.-]+")


def open_project(parameters: Mapping[str, Any], step: Step) -> Project | None:
    """The folder of `workspace_root`, `project_name`, `timestamp_folders` and `project_subfolder`; None where
    `workspace_enabled` is not given. Raises PermanentError for a folder outside the workspace."""
    if not parameters.get("workspace_enabled"):
        return None
    name = NO_NAME.sub("_", text_of(parameters.get("project_name") or "project")).strip("._") or "project"
    if parameters.get("timestamp_folders"):
        name = f"{name}_{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}"
    parts = [text_of(parameters.get("workspace_root") or ROOT), name]
    subfolder = parameters.get("project_subfolder")
    if isinstance(subfolder, str) and subfolder.strip():
        parts.append(subfolder.strip())
    return Project(place("/".join(parts), step.workspace), step.workspace)


class Project:
    """One folder."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self._folder = folder
        self._workspace = workspace

    def write(self, work: Work) -> str:
        """Write what there is: `main.py`, `test_main.py`, `plan.json`. The folder, as flows name it."""
        files = {
            "main.py": work.code,
            "test_main.py": work.tests,
            "plan.json": json.dumps(work.plan, ensure_ascii=False, indent=2) if work.plan else "",
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                if content:
                    (self._folder / name).write_text(content, encoding="utf-8", errors="replace")
        except OSError as fault:
            raise PermanentError(f"the program cannot be written: {fault.strerror}") from fault
        return shown(self._folder, self._workspace)
