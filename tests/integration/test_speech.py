"""A flow speaks and listens in a worker behind the platform's walls, without any service."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from intellyhub_functions.testing.whisper_model import write_model
from tests.integration.activation import platform

FLOW = """
states:
  say:
    state_type: text_to_speech
    engine: espeak
    text: "Good morning {name}."
    format: opus
    output: speech
    transition: hear
  hear:
    state_type: speech_to_text
    engine: whisper
    model: models/model.bin
    audio_file: "{speech.filepath}"
    output: heard
    transition: done
  done: {state_type: end, result: {file: "{speech.filepath}", text: "{heard.text}"}}
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(find_spec, ("espeakng_loader", "pywhispercpp", "soundfile"))),
    reason="the extra `speech` is not installed",
)
def test_a_worker_behind_walls_speaks_and_hears_what_it_said():
    with platform() as house:
        flow = house.flow("speaker", FLOW)
        workspace = house.layout.workspace_of(flow.tenant_id)
        models = workspace / "models"
        models.mkdir(parents=True)
        write_model(models / "model.bin", "good morning ada", "en")
        for path in (models, models / "model.bin"):
            path.chmod(0o755)
        house.await_socket(flow)
        answer = house.ask(flow, seconds=60)
        assert (answer.status, answer.body["status"], answer.body["output"].get("text")) == (
            200,
            "succeeded",
            "good morning ada",
        )
        assert (workspace / answer.body["output"]["file"]).read_bytes().startswith(b"OggS")
