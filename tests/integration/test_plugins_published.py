"""A folder of published plugins is installed with one command, and their examples run: of plugins written for this, and
of real ones in the folder that INTELLYHUB_PUBLISHED_PLUGINS names, with servers of this machine for the world outside.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from intellyhub_engine.errors import EngineError
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.run import start
from intellyhub_engine.machine.testing import path_of
from intellyhub_functions.plugins.beside import catalogue_beside, find_plugins
from intellyhub_functions.plugins.manifest import read_manifest
from intellyhub_functions.testing.mqtt_broker import AmqttBroker
from intellyhub_functions.testing.package_index import PackageIndex
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.spoken import make_sound
from intellyhub_functions.testing.stand_ins import StandIns
from intellyhub_functions.testing.surroundings import Listening, Log, await_that, make_context
from tests.acceptance.outside import BOOK, SAID, TOKEN, outside
from tests.integration.published_plugins import EXAMPLES, make_publication
from tests.integration.test_up import COMMAND

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PUBLISHED = os.environ.get("INTELLYHUB_PUBLISHED_PLUGINS", "")
NAMES = {
    "SHEET_ID": BOOK,
    "anthropic_api_key": "sk-test",
    "audio_path": "workspace/recording.mp3",
    "chat_id": "7",
    "input_text": "text",
    "notification_text": "text",
    "openai_api_key": "sk-test",
    "platform": "web",
    "status": "ok",
    "telegram_bot_token": TOKEN,
    "text_to_analyze": "good",
    "timestamp": "now",
    "topic": "gardens",
    "user_message": "hello",
    "user_question": "why?",
}
"""What the examples of manifests take from their users."""
ANYBODY = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
FAILING = (
    "google-sheets/",  # its HTTP library asks no proxy
    "llm-agent/Ollama locale",  # it asks a port of its own
    "llm-agent/Conversazione con memoria",  # LangChain refuses it (FLOW_LANGUAGE.md section 13)
)
"""Examples that fail in words."""


def install(folder: Path, source: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The one command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTELLYHUB_")}
    return subprocess.run(
        [COMMAND, "plugins", "install", source, "--here", "--yes"],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
    )


def run(text: str, catalogue: Any, workspace: Path, outer: Mapping[str, Any]) -> Any:
    flow, _ = load_flow(text, catalogue, "example")
    host = Host(now_ns=time.time_ns, catalogue=catalogue, outer=outer, workspace=workspace)
    return start(compile_flow(flow, catalogue), host, variables={})


def listen(
    catalogue: Any, kind: str, parameters: Mapping[str, Any], folder: Path, names: Mapping[str, Any]
) -> Listening:
    (folder / "flow.yaml").write_text("name: heard\nstates:\n  end: {state_type: end}\n")
    context = make_context(folder / "workspace", log=Log(), settings=names)
    context = replace(context, text=folder / "flow.yaml")
    return Listening(catalogue.sources[kind].load()(parameters, context), context)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Our own publication, installed; the folder, and what was said."""
    folder = tmp_path_factory.mktemp("ours")
    make_publication(folder / "clone")
    with PackageIndex(folder / "index") as index:
        index.add_wheel("loud", "1.0", {"loud.py": "VERSION = '1.0'\n"})
        for name in ("requests", "pyyaml"):
            index.add_wheel(name, "9.0", {f"{name}_of_tests.py": ""})
        return folder, install(folder, folder / "clone", index.environment)


def test_every_plugin_of_a_folder_is_installed_by_one_command(ours):
    folder, done = ours
    assert done.returncode == 0, done.stderr
    assert [line.split(" ")[0] for line in done.stdout.splitlines()] == sorted(
        path.name for path in (folder / "clone" / "plugins").iterdir()
    )
    assert "  left out     ast>=3.8.0" in done.stderr
    assert "  resolving loud>=1" in done.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_plugin_runs(ours, tmp_path, name):
    folder, _ = ours
    plugin, _, example = name.partition("/")
    text = (folder / "clone" / "plugins" / plugin / "examples" / f"{example}.yaml").read_text()
    result = run(text, catalogue_beside(folder / "plugins"), tmp_path, {})
    assert (result.status, result.error, result.output) == (RunStatus.SUCCEEDED, None, EXAMPLES[name][1])


def test_the_listener_of_a_plugin_listens(ours, tmp_path):
    folder, _ = ours
    catalogue = catalogue_beside(folder / "plugins")
    with listen(catalogue, "clock", {"times": 1, "zone": "CET"}, tmp_path, {}) as heard:
        assert heard.next().data["clock_zone"] == "CET"
        await_that(lambda: "tick 1" in heard.context.log.text())  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real ones, installed: their folder, their catalogue, and the names of the world."""
    folder = tmp_path_factory.mktemp("real")
    done = install(folder, Path(PUBLISHED), {})
    assert done.returncode == 0, done.stderr
    with ExitStack() as stack:
        world = stack.enter_context(outside())
        api = {
            "api.anthropic.com": world.openai.url,
            "api.elevenlabs.io": world.elevenlabs.url,
            "api.openai.com": world.openai.url,
            "api.telegram.org": world.telegram.url,
            "example.com": world.names["CUSTOM_API_BASE_URL"],
            "feeds.feedburner.com": world.feeds.url,
            "qyapi.weixin.qq.com": world.wechat.url,
            "rss.cnn.com": world.feeds.url,
        }
        proxy = stack.enter_context(StandIns(api, folder))
        for name in ("meeting.mp3", "workspace/recording.mp3", "workspace/italian_audio.wav"):
            (folder / "work" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "work" / name).write_bytes(make_sound(SAID))
        world.elevenlabs.batches["batch"] = {"id": "batch", "status": "completed", "recipients": []}
        names = {**world.names, **NAMES, **proxy.environment, "batch_result": {"batch_id": "batch"}}
        yield folder, catalogue_beside(folder / "plugins"), names, world


def examples_of(folder: Path) -> list[tuple[str, str, str]]:
    """Plugin, example and flow for every example that a manifest documents of a state."""
    found = []
    for plugin in find_plugins(folder / "plugins"):
        manifest = read_manifest(Path(plugin.folder))
        for example in manifest.document.get("documentation", {}).get("examples", []) if manifest.states else ():
            state = {**example["config"], "state_type": f"{plugin.name}/{manifest.states[0].type}"}
            state.setdefault("error_transition", "broken")
            targets = {state[key] for key in ("transition", "success_transition", "error_transition") if key in state}
            states = {"example": state, **{name: {"state_type": "end"} for name in targets - {"end"}}}
            text = yaml.safe_dump({"name": plugin.name, "states": states}, sort_keys=False)
            found.append((plugin.name, example["name"], text))
    return found


@pytest.mark.skipif(not PUBLISHED, reason="INTELLYHUB_PUBLISHED_PLUGINS names no folder")
def test_the_examples_of_the_real_plugins_run(real):
    folder, catalogue, names, _ = real
    examples, faults = examples_of(folder), []
    assert examples
    for plugin, name, text in examples:
        try:
            result = run(text, catalogue, folder / "work", names)
        except EngineError as fault:
            faults.append(f"{plugin}/{name}: {fault}")
            continue
        failure = result.error or result.variables.get("error_message") or ""
        if f"{plugin}/{name}".startswith(FAILING) != bool(failure or result.status is not RunStatus.SUCCEEDED):
            faults.append(f"{plugin}/{name}: {path_of(result)} {failure}")
    assert not faults, "\n".join(faults)


def ask(url: str, document: object = None) -> Any:
    """The answer of a listener, as soon as it listens."""
    body = None if document is None else json.dumps(document).encode()

    def answer() -> Any:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return [json.load(response)]
        except urllib.error.URLError as fault:
            if isinstance(fault, urllib.error.HTTPError):
                raise
            return None

    return await_that(answer)[0]


@pytest.mark.skipif(not PUBLISHED, reason="INTELLYHUB_PUBLISHED_PLUGINS names no folder")
@pytest.mark.parametrize("plugin", ["webhook", "a2a", "mcp", "telegram", "directory", "mqtt"])
def test_the_listeners_of_the_real_plugins_listen(real, tmp_path, plugin):
    _, catalogue, names, world = real
    port = free_port()
    kind = f"{plugin}-listener/{plugin}"
    if plugin == "webhook":
        with listen(catalogue, kind, {"webhook_port": port}, tmp_path, names) as heard:
            assert ask(f"http://127.0.0.1:{port}/webhook", {"x": 1}) == {"status": "success"}
            assert heard.next().data == {"x": 1}
    if plugin == "a2a":
        with listen(catalogue, kind, {"host": "127.0.0.1", "port": port}, tmp_path, names) as heard:
            answer = ask(f"http://127.0.0.1:{port}/rpc", {"params": {"x": 1}, "id": 3})
            assert (answer["id"], heard.next().data) == (3, {"x": 1})
    if plugin == "mcp":
        with listen(catalogue, kind, {"host": "127.0.0.1", "port": port}, tmp_path, names) as heard:
            assert ask(f"http://127.0.0.1:{port}/context?resource_id=7")["resource_id"] == "7"
            assert heard.next().data == {"resource_id": "7"}
    if plugin == "telegram":
        parameters = {"bot_token": TOKEN, "polling_interval": 1, "timeout": 1, "ignore_old_messages": False}
        with listen(catalogue, kind, parameters, tmp_path, names) as heard:
            world.telegram.write("hello")
            assert heard.next(30).data["telegram_message_text"] == "hello"
    if plugin == "directory":
        (tmp_path / "inbox").mkdir()
        with listen(catalogue, kind, {"watch_path": str(tmp_path / "inbox")}, tmp_path, names) as heard:
            await_that(lambda: "Premi" in heard.context.log.text())  # type: ignore[attr-defined]
            (tmp_path / "inbox" / "a.txt").write_text("x")
            assert heard.next().data["file_path"].endswith("a.txt")
    if plugin == "mqtt":
        import paho.mqtt.publish

        with AmqttBroker(ANYBODY) as broker:
            parameters = {"broker": "127.0.0.1", "port": broker.port, "topic": "house/#"}
            with listen(catalogue, kind, parameters, tmp_path, names) as heard:
                await_that(lambda: "Subscribed" in heard.context.log.text())  # type: ignore[attr-defined]
                paho.mqtt.publish.single("house/door", '{"open": true}', hostname="127.0.0.1", port=broker.port)
                assert heard.next().data["topic"] == "house/door"
