"""Files of messages that came through the hook, fetched in the worker before the run."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
import time

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import examine
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.run import start
from intellyhub_functions.sources.telegram.completion import complete_sent
from intellyhub_functions.sources.telegram.hook import make_hook_event
from intellyhub_functions.testing.openai_audio import OpenAiAudio
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.spoken import make_sound
from intellyhub_functions.testing.surroundings import Log, make_step
from intellyhub_functions.testing.telegram_api import TelegramApi

FLOW = """
listener:
  type: telegram
  mode: webhook
  bot_token: "{TELEGRAM_BOT_TOKEN}"
  message_types: [text, voice]
  transcribe_voice: true
states:
  done: {state_type: end, result: "{telegram_message_text} in {telegram_voice_file_path}"}
"""
VOICE = {"file_id": "v1", "file_unique_id": "u1", "duration": 2, "mime_type": "audio/ogg"}
SENT = {"mode": "webhook", "message_types": "all"}


@pytest.fixture
def api():
    with TelegramApi() as server:
        server.files["v1"] = make_sound("see you at eight", "ogg")
        yield server


def sent(**message):
    chat = {"message_id": 5, "date": 1763712000, "chat": {"id": 7, "type": "private"}, "from": {"id": 7}}
    update = {"update_id": 9, "message": {**chat, **message}}
    found = make_hook_event(json.dumps(update).encode(), SENT, "/flows/bot/listener")
    assert found is not None
    return found


def test_a_voice_message_that_telegram_sends_becomes_its_words(api, tmp_path):
    catalogue = installed()
    flow, problems = examine(FLOW, catalogue, name="bot")
    assert flow is not None, problems
    with OpenAiAudio() as openai:
        outer = {"TELEGRAM_BOT_TOKEN": api.token, "TELEGRAM_API_URL": api.url}
        outer |= {"OPENAI_API_KEY": "sk-local", "OPENAI_BASE_URL": openai.base_url}
        journal = MemoryJournal(now_ns=time.time_ns)
        host = Host(now_ns=time.time_ns, catalogue=catalogue, outer=outer, workspace=tmp_path, journal=journal)
        program = compile_flow(flow, catalogue)
        result = start(program, host, event=sent(voice=VOICE))
        assert result.output == "see you at eight in workspace/voice_u1.ogg"
        assert (tmp_path / "workspace" / "voice_u1.ogg").exists()
        calls = len(api.calls)
        assert start(program, host, event=sent(voice=VOICE)).run_id == result.run_id
        assert len(api.calls) == calls, "what comes again is not fetched again"


@pytest.mark.parametrize(
    ("message", "wishes"),
    [
        ({"text": "hi"}, {"download_files": True}),
        ({"voice": VOICE}, {}),
        ({"document": VOICE}, {"transcribe_voice": True}),
        ({"voice": VOICE}, {"download_voice": True, "mode": "polling"}),
    ],
)
def test_what_nobody_asks_for_is_not_fetched(api, tmp_path, message, wishes):
    event = sent(**message)
    given = {"bot_token": api.token, "api_url": api.url, **SENT, **wishes}
    assert complete_sent(event, given, make_step(tmp_path)) is event
    assert api.calls == []


def test_a_file_that_is_put_off_is_asked_for_again(api, tmp_path):
    original, busy = api.answer, [Answer(status=502, headers={"retry-after": "0"})]
    api.answer = lambda call: busy.pop() if busy and call.path.startswith("/file/") else original(call)
    given = {"bot_token": api.token, "api_url": api.url, "download_voice": True, **SENT}
    event = complete_sent(sent(voice=VOICE), given, make_step(tmp_path))
    assert event.data["voice_file_path"] == "workspace/voice_u1.ogg"


def test_a_file_that_cannot_be_had_is_logged_and_the_event_stays(api, tmp_path):
    event, log = sent(document={"file_id": "gone"}), Log()
    given = {"bot_token": api.token, "api_url": api.url, "download_files": True, **SENT}
    assert complete_sent(event, given, make_step(tmp_path, log=log)) is event
    assert "the file of message 5 could not be saved" in log.text()
    assert api.token not in log.text()
