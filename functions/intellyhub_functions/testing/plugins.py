"""Plugins for tests, in every shape in which plugins were published; written for these tests, file by file as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_functions.plugins.plugin import InstalledPlugin
from intellyhub_functions.testing.native_plugin import NATIVE, NATIVE_PROJECT

__all__ = ["PUBLICATIONS", "publish", "write_plugin"]

NOTES_STATE = '''
"""Published with a relative import, a class attribute, a helper class and an object as its result."""
from datetime import datetime
from .base_state import BaseState


class Note:
    def __init__(self, text, author):
        self.text = text
        self.author = author
        self.written = datetime(2024, 5, 1, 12, 30)
        self._cache = object()


class Notebook:
    def __init__(self, notes):
        self.notes = notes
        self.title = "Notes"

    def __len__(self):
        return len(self.notes)

    def search(self, word):
        return [note for note in self.notes if word in note.text]


class NotesState(BaseState):
    state_type = "notes"

    def execute(self, variables):
        text = self.format_recursive(self.state_config.get("text", ""), variables)
        count = int(self.state_config.get("count", 1))
        book = Notebook([Note(text, self.format_recursive("{author|upper}", variables)) for _ in range(count)])
        variables[self.state_config.get("output", "notebook")] = book
        variables["note_count"] = len(book)
        self.log_if_configured(variables)
        return self.state_config.get("success_transition", self.state_config.get("transition"))
'''
NOTES_MANIFEST = {
    "name": "notes",
    "version": "1.2.0",
    "description": "Keeps notes.",
    "author": "A stranger",
    "license": "MIT",
    "entry_file": "notes_state.py",
    "state_type": "notes",
    "requirements": ["ast>=3.8.0", "requests>=2.31.0"],
    "optional_requirements": ["torch>=2"],
    "dependencies": {},
    "api_version": "1.0",
    "tags": ["text"],
    "documentation": {
        "parameters": {
            "text": {"type": "string", "required": True, "description": "What is noted"},
            "count": {"type": "integer", "required": False, "default": 10, "minimum": 1, "maximum": 5},
            "style": {"type": "string", "options": ["plain", "bold"], "default": "plain"},
            "output": {"type": "string", "description": "Where it goes"},
            "transition": {"type": "string"},
        },
        "examples": [{"name": "one", "config": {"state_type": "notes", "text": "hello"}}],
        "output_format": {"notes": "list"},
    },
    "installation": {"environment_variables": ["NOTES_KEY - a key"], "post_install": []},
    "compatibility": {"python_version": ">=3.8", "platforms": ["linux"]},
    "ui_schema": {"description": {"ui_component": "text_input"}},
}

BOT_STATE = '''
"""A file with a hyphen; absolute import; a constructor of its own; formats again with str.format; goes to `error`."""
import logging

from flow.states.base_state import BaseState, STATE_REGISTRY

log = logging.getLogger(__name__)


class AcmeBotState(BaseState):
    state_type = "acme-bot"

    def __init__(self, name, config, global_context):
        super().__init__(name, config, global_context)
        self.token = config.get("bot_token")

    def validate_config(self):
        if not self.state_config.get("chat_id"):
            raise ValueError("chat_id is required")
        return True

    def execute(self, variables):
        output = self.state_config.get("output")
        try:
            message = self.state_config["message"].format(**variables)
        except Exception as fault:
            if output:
                variables[output] = {"success": False, "error": str(fault)}
            return self.state_config.get("error_transition", "error")
        log.info("sending %s", message)
        if output:
            chat = {"id": self.state_config["chat_id"]}
            variables[output] = {"success": True, "message_id": 7, "text": message, "chat": chat}
        return self.state_config.get("success_transition", self.state_config.get("transition", "end"))


STATE_REGISTRY["acme_bot_by_hand"] = AcmeBotState
'''
BOT_MANIFEST = {
    "name": "acme-bot",
    "version": "2.0.0",
    "description": "Sends messages.",
    "entry_file": "acme-bot_state.py",
    "state_type": "acme_bot",
    "requirements": [],
    "documentation": {
        "parameters": {
            "bot_token": {"type": "string", "required": True},
            "chat_id": {"type": "string|integer", "required": True},
            "message": {"type": "string", "required": True},
        }
    },
}

OLD_STATE = '''
"""The oldest shape: no class attribute, `config`, a manifest with lists of states and a config_schema."""
from .base_state import BaseState


class TelegraphState(BaseState):
    def execute(self, variables):
        words = self.config.get("words")
        variables["sent"] = " STOP ".join(words) + variables.get("suffix", "")
        return self.transition
'''
OLD_MANIFEST = {
    "name": "telegraph",
    "version": "0.1.0",
    "description": "Sends telegrams.",
    "states": [{"name": "telegraph", "class": "telegraph_state.TelegraphState", "description": "One telegram"}],
    "listeners": [],
    "dependencies": ["requests>=2.0"],
    "config_schema": {
        "telegraph": {"type": "object", "properties": {"words": {"type": "array"}}, "required": ["words"]},
    },
}

READER_STATE = '''
"""The first feed reader's manifest: required and optional lists, a result under `output_variable`."""
from .base_state import BaseState


class ReaderState(BaseState):
    state_type = "reader"

    def execute(self, variables):
        key = self.state_config.get("output_variable", "reader_articles")
        variables[key] = [self.state_config["source"]]
        variables.setdefault("seen", []).append(self.state_config["source"])
        return self.state_config.get("transition")
'''
READER_MANIFEST = {
    "name": "reader",
    "version": "1.0.0",
    "description": "Reads.",
    "entry_file": "reader_state.py",
    "parameters": {"required": ["source"], "optional": [{"name": "output_variable", "type": "str"}]},
    "output": {"type": "list", "description": "What was read"},
    "examples": [{"name": "one", "description": "", "yaml": "examples/one.yaml"}],
}

BROKEN_STATE = '''
"""Every way in which a plugin can go wrong."""
import ctypes
import os
import sys
import time

from .base_state import BaseState


class BrokenState(BaseState):
    state_type = "broken"

    def execute(self, variables):
        how = self.state_config["how"]
        if how == "raise":
            raise KeyError("nothing there")
        if how == "exit":
            sys.exit(3)
        if how == "leave":
            os._exit(4)
        if how == "crash":
            ctypes.string_at(0)
        if how == "hang":
            time.sleep(600)
        if how == "import":
            import a_module_that_nobody_has
        if how == "lie":
            os.write(3, b"Rnonsense")
            os._exit(0)
        if how == "leak":
            variables.update(handle=open(os.devnull), module=os, function=print, kept={"a": 1}, self=self)
        if how == "none":
            return None
        return "somewhere"
'''
BROKEN_MANIFEST = {
    "name": "broken",
    "version": "1.0.0",
    "description": "Goes wrong.",
    "entry_file": "broken_state.py",
    "plugin_type": "state",
    "state_type": "broken",
    "documentation": {"parameters": {"how": {"type": "string", "required": True}}},
}

CLOCK_LISTENER = '''
"""Two listeners in a file; one hands on a single argument; both read the flow's file at every event."""
import json
import os
import threading
import time

from yaml import safe_load

from flow.flow import FlowDiagram
from flow.utils import SafeLogger
from .base_listener import BaseListener


class Tick:
    def __init__(self, number):
        self.number = number


class ClockListener(BaseListener):
    def __init__(self, event_config, global_context=None):
        super().__init__(event_config)
        self.global_context = global_context or {}
        self.logger = SafeLogger("ClockListener")
        self.zone = self.format_recursive(event_config.get("zone", "{ZONE}"), self.global_context)
        self.times = int(event_config.get("times", 2))

    def listen(self, config_file):
        for number in range(1, self.times + 1):
            with open(config_file) as file:
                config = safe_load(file)
            flow = FlowDiagram(config, self.global_context)
            flow.variables.update({"clock_number": number, "clock_zone": self.zone, "clock_tick": Tick(number)})
            flow.run()
            self.logger.info(f"tick {number} \\u2713 {len(config['states'])}")
        time.sleep(600)


class ThreadedListener(BaseListener):
    listener_type = "threaded"

    def __init__(self, event_config, global_context=None):
        super().__init__(event_config, global_context)
        self.found = threading.Event()

    def poll(self, config_file):
        with open(config_file) as file:
            config = safe_load(file)
        flow = FlowDiagram(config, {**self.global_context}, start_state=config.get("start_state", "start"))
        flow.variables.update(self.global_context)
        flow.variables["telegram_message_text"] = "hello {ZONE}"
        flow.variables["telegram_chat_id"] = "5"
        json.dumps(flow.run())
        print("ran with", flow.variables.get("answer"))
        self.found.set()

    def listen(self, config_file):
        threading.Thread(target=self.poll, args=(config_file,), daemon=True).start()
        self.found.wait()
        if self.event_config.get("then") == "return":
            return
        if self.event_config.get("then") == "leave":
            os._exit(9)
        if self.event_config.get("then") == "raise":
            raise RuntimeError("the line is dead")
        while True:
            time.sleep(1)
'''
CLOCK_MANIFEST = {
    "name": "clock-listener",
    "version": "1.0.0",
    "description": "Tells the time.",
    "entry_file": "clock_listener.py",
    "plugin_type": "listener",
    "listener_type": "clock",
    "listener_id": "clocklistener",
    "requirements": ["pyyaml"],
    "documentation": {
        "parameters": {"zone": {"type": "string", "default": "UTC"}, "times": {"type": "integer", "default": 2}},
        "variables_injected": {"clock_number": "which tick", "clock_zone": "the zone"},
    },
}

PUBLICATIONS: Mapping[str, Mapping[str, str | Mapping[str, Any]]] = {
    "notes": {"manifest.json": NOTES_MANIFEST, "notes_state.py": NOTES_STATE},
    "acme-bot": {"manifest.json": BOT_MANIFEST, "acme-bot_state.py": BOT_STATE},
    "telegraph": {"manifest.json": OLD_MANIFEST, "telegraph_state.py": OLD_STATE},
    "reader": {"manifest.json": READER_MANIFEST, "reader_state.py": READER_STATE},
    "broken": {"manifest.json": BROKEN_MANIFEST, "broken_state.py": BROKEN_STATE},
    "clock-listener": {"manifest.json": CLOCK_MANIFEST, "clock_listener.py": CLOCK_LISTENER},
    "acme": {"pyproject.toml": NATIVE_PROJECT, "acme.py": NATIVE, "test_acme.py": "import pytest\n"},
}
"""Folder -> its files."""


def publish(folder: Path, *names: str) -> list[InstalledPlugin]:
    """Write some of the publications below a folder, and give them as installed plugins."""
    return [write_plugin(folder, name, PUBLICATIONS[name]) for name in names]


def write_plugin(folder: Path, name: str, files: Mapping[str, str | Mapping[str, Any]]) -> InstalledPlugin:
    """Write a plugin's files: texts as they are, mappings as JSON."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        (place / file).write_text(text, encoding="utf-8")
    return InstalledPlugin(name=name, folder=str(place))
