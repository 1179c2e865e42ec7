"""Flows that listen and flows that are served."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.request

import pytest

from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.ports import free_port
from tests.integration.cli.calls import COMMAND, call, call_json, wait_until


def listen(*arguments):
    return subprocess.Popen([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_listening_runs_once_for_every_new_article_and_ends_on_sigterm(folder):
    titles = folder / "titles.txt"
    with FeedServer() as feeds:
        feeds.publish(Article(title="old", link="https://example.org/old"))
        arguments = ["run", "news.yaml", "--listen", "--listener", f"url={feeds.url}/feed.xml"]
        arguments += ["--listener", "check_interval=0.1", "--json"]
        process = listen(*arguments)
        wait_until(lambda: len(feeds.calls) >= 2, process)
        feeds.publish(Article(title="first", link="https://example.org/1"))
        wait_until(titles.exists, process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, "Traceback" in err) == (0, False)
        feeds.publish(Article(title="second", link="https://example.org/2"))
        process = listen(*arguments, "--max-events", "1")
        out += process.communicate(timeout=20)[0]
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["succeeded", "succeeded"]
    assert titles.read_text() == "first\nsecond\n", "a restart neither repeats nor skips"


def test_a_listener_s_parameter_that_has_no_value_is_named(folder):
    (folder / "t.yaml").write_text(
        'listener: {type: telegram, bot_token: "{TELEGRAM_BOT_TOKEN}"}\nstates:\n  a: {state_type: end}\n'
    )
    done = call("run", "t.yaml", "--listen", code=2, env={k: v for k, v in os.environ.items() if "TELEGRAM" not in k})
    assert "TELEGRAM_BOT_TOKEN" in done.stderr
    assert "--env-file" in done.stderr


def test_an_unknown_parameter_of_the_listener_is_named(folder):
    done = call("run", "news.yaml", "--listener", "check_intervall=3", code=2)
    assert "did you mean check_interval" in done.stderr


@pytest.mark.parametrize("framework", [[], ["--framework"]])
def test_a_served_flow_answers_and_ends_on_sigterm(folder, framework):
    (folder / "double.yaml").write_text("states:\n  a: {state_type: end, result: '{2 * event.x}'}\n")
    port = free_port()
    process = subprocess.Popen(
        [COMMAND, "serve", "double.yaml", "--port", str(port), *framework],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_until(lambda: is_open(port), process)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/", data=b'{"x": 21}', headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert json.loads(answer.read())["output"] == 42
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert b"Traceback" not in out
    assert [row["status"] for row in call_json("runs")] == ["succeeded"]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_an_open_address_needs_a_token(folder):
    assert "--token" in call("serve", "count.yaml", "--host", "0.0.0.0", code=2).stderr
