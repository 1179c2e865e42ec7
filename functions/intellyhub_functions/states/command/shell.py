"""The `shell` kind: a script in an isolated process, its output live in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from intellyhub_engine.blocks.blocks import Program, blocks_of
from intellyhub_engine.language.texts.shell_values import environment
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import TextRecord, text_of
from intellyhub_engine.machine.step import Outcome, Step

__all__ = ["run_script"]

MAX_SHOWN_CHARACTERS = 500


def run_script(parameters: Mapping[str, Any], step: Step) -> Outcome:
    """Run the script; the result's text is its standard output. A non-zero exit is a soft failure."""
    given = {str(name): text_of(value) for name, value in (parameters.get("env") or {}).items()}
    shell = "/bin/sh" if parameters.get("interpreter", "sh") == "sh" else "bash"
    script = parameters["shell"]
    exported = environment(cast(Scope, step.scope), script)
    program = blocks_of(step).run_program([shell, "-c", script], step, exported | given)
    result = TextRecord(
        {
            "stdout": program.stdout.strip(),
            "stderr": program.stderr.strip(),
            "returncode": program.returncode,
            "success": program.returncode == 0,
        },
        "stdout",
    )
    return Outcome(value=result, fault=None if program.returncode == 0 else describe(program))


def describe(program: Program) -> str:
    """Why the script failed: its exit code, and the end of what it said."""
    said = (program.stderr.strip() or program.stdout.strip())[-MAX_SHOWN_CHARACTERS:]
    end = f"signal {-program.returncode}" if program.returncode < 0 else f"exit code {program.returncode}"
    return f"the command ended with {end}{': ' if said else ''}{said}"
