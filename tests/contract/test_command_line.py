"""The command line against the same platform."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("intellyhub")
TEXT = """
name: contract-typed
listener: {type: webhook}
states:
  say: {state_type: set, values: {word: "{name}"}, log: "typed {word}", transition: done}
  done: {state_type: end, result: {word: "{word}"}}
"""
PLUGIN = {
    "manifest.json": json.dumps(
        {
            "name": "contract-shout",
            "version": "1.0.0",
            "description": "Says it loudly.",
            "author": "Ada",
            "entry_file": "contract_shout_state.py",
            "state_type": "contract_shout",
        }
    ),
    "contract_shout_state.py": """
from .base_state import BaseState


class ContractShoutState(BaseState):
    state_type = "contract_shout"

    def execute(self, variables):
        variables["said"] = self.format_recursive(self.state_config["text"], variables).upper()
        return self.state_config.get("transition")
""",
}
SHOUTING = """
listener: {type: webhook}
states:
  say: {state_type: contract_shout, text: "{event.body.word}", transition: done}
  done: {state_type: end, result: {said: "{said}"}}
"""


@pytest.fixture
def command(hub, tmp_path):
    """`command(...)`: what `intellyhub ...` prints; it has to succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INTELLYHUB_")}
    environment |= {"INTELLYHUB_URL": hub.url, "INTELLYHUB_TOKEN": hub.token, "XDG_CONFIG_HOME": str(tmp_path)}

    def call(*words):
        done = subprocess.run(
            [COMMAND, *words], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=hub.seconds + 60
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    return call


def test_a_flow_is_deployed_called_and_deleted_from_the_command_line(hub, command, tmp_path):
    (tmp_path / "typed.yaml").write_text(TEXT)
    assert json.loads(command("deploy", "typed.yaml", "--json"))["slug"] == "contract-typed"
    hub.await_ready("contract-typed")
    assert json.loads(command("invoke", "contract-typed", "--var", "name=Ada")) == {"word": "Ada"}
    assert "typed Ada" in command("logs", "contract-typed")
    assert "contract-typed" in command("flows")
    command("delete", "contract-typed", "--yes")
    assert hub.ask("GET", "/api/flows/contract-typed").status == 404


def test_a_plugin_is_installed_and_its_flow_runs(hub, command, tmp_path):
    folder = tmp_path / "contract-shout"
    folder.mkdir()
    for name, text in PLUGIN.items():
        (folder / name).write_text(text)
    command("plugins", "install", str(folder), "--yes")
    try:
        hub.publish("contract-plugin", SHOUTING)
        hub.await_ready("contract-plugin")
        assert hub.hook("contract-plugin", {"word": "hello"}).json["output"] == {"said": "HELLO"}
    finally:
        hub.delete("contract-plugin")
        command("plugins", "uninstall", "contract-shout")
