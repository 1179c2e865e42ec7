"""A folder of plugins just as they are published, each with a README, a picture and example flows; written for us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from intellyhub_functions.testing.plugins import PUBLICATIONS

__all__ = ["EXAMPLES", "make_publication"]

LOUD_STATE = '''
"""What it requires is imported when it is loaded, and what it logs is written with `flow.utils`."""
import loud

from flow.states.base_state import BaseState
from flow.utils import SafeLogger

logger = SafeLogger(__name__)


class LoudState(BaseState):
    state_type = "loud"

    def execute(self, variables):
        text = self.format_recursive(self.state_config["text"], variables)
        logger.info(f"saying {text} \\u2713")
        variables[self.state_config.get("output", "said")] = f"{text}! {loud.VERSION}"
        return self.state_config.get("success_transition", self.state_config.get("transition"))
'''
LOUD_MANIFEST = {
    "name": "loud",
    "version": "1.0.0",
    "description": "Says things loudly.",
    "entry_file": "loud_state.py",
    "state_type": "loud",
    "requirements": ["loud>=1", "ast>=3.8.0"],
}
ENDS = '\n  done:\n    state_type: end\n    result: "{RESULT}"\n'
EXAMPLES: Mapping[str, tuple[str, object]] = {
    "notes/objects": (
        "variables: {author: ada}\nstates:\n  note: {state_type: notes, text: hello, count: 2, output: book,"
        " transition: done}" + ENDS.replace("RESULT", "book.notes[1].text} by {book.notes[0].author"),
        "hello by ADA",
    ),
    "loud/requirement": (
        "states:\n  say: {state_type: loud, text: hello, output: said, transition: done}"
        + ENDS.replace("RESULT", "said"),
        "hello! 1.0",
    ),
    "acme-bot/message": (
        "states:\n  send: {state_type: acme-bot, bot_token: t, chat_id: 7, message: hello, output: sent,"
        " success_transition: done}" + ENDS.replace("RESULT", "sent.text} {sent.chat.id"),
        "hello 7",
    ),
    "telegraph/oldest": (
        "variables: {suffix: '.'}\nstates:\n  wire: {state_type: telegraph, words: [come, home], transition: done}"
        + ENDS.replace("RESULT", "sent"),
        "come STOP home.",
    ),
    "reader/variable": (
        "states:\n  read: {state_type: reader, source: feed, output_variable: found, transition: done}"
        + ENDS.replace("RESULT", "found[0]"),
        "feed",
    ),
    "broken/crash": (
        "states:\n  go: {state_type: broken, how: crash, error_transition: done}"
        + ENDS.replace("RESULT", "error_state"),
        "go",
    ),
    "broken/leave": (
        "states:\n  go: {state_type: broken, how: leave, error_transition: done}"
        + ENDS.replace("RESULT", "error_state"),
        "go",
    ),
    "broken/leak": (
        "states:\n  go: {state_type: broken, how: leak, transition: somewhere}\n"
        "  somewhere: {state_type: if, condition: kept.a == 1, then: done, else: end}"
        + ENDS.replace("RESULT", "kept.a"),
        1,
    ),
}
"""Plugin and example -> the flow's text, and its result."""


def make_publication(folder: Path) -> None:
    """Write the repository."""
    published = {name: files for name, files in PUBLICATIONS.items() if "manifest.json" in files}
    loud = {"manifest.json": LOUD_MANIFEST, "loud_state.py": LOUD_STATE, "icon.svg": "<svg/>"}
    for name, files in {**published, "loud": loud}.items():
        place = folder / "plugins" / name
        (place / "examples").mkdir(parents=True)
        (place / "README.md").write_text(f"# {name}\n")
        for file, content in files.items():
            (place / file).write_text(content if isinstance(content, str) else json.dumps(content))
    for name, (text, _) in EXAMPLES.items():
        plugin, _, example = name.partition("/")
        (folder / "plugins" / plugin / "examples" / f"{example}.yaml").write_text(text)
