"""The Secrets of a fresh installation, made against a server that answers as the API server does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from intellyhub_knative.installer.__main__ import main
from intellyhub_knative.installer.secrets import make_first_secrets
from intellyhub_knative.manifests.objects import Manifest
from intellyhub_knative.platform.keys import Purpose, load_keys
from tests.unit.knative.manifests.kubernetes_rules import judge


class Api(ThreadingHTTPServer):
    """Takes Secrets once, and shows none."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: dict[str, Manifest] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.forbids = False


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.command, self.path, self.headers["Authorization"]))
        name = manifest["metadata"]["name"]
        status = 403 if self.server.forbids else 409 if name in self.server.kept else 201
        if status == 201:
            self.server.kept[name] = manifest
        body = json.dumps({"kind": "Status", "message": f"answer {status}"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def arguments(api, tmp_path) -> list[str]:
    (tmp_path / "namespace").write_text("intellyhub")
    (tmp_path / "token").write_text("own-token\n")
    return ["--mount", str(tmp_path), "--server", f"http://127.0.0.1:{api.server_port}"]


def opened(manifest):
    return {key: base64.b64decode(value).decode() for key, value in manifest["data"].items()}


def test_they_are_made_once_and_never_changed(api, arguments):
    assert main(arguments) == 0
    first = dict(api.kept)
    assert first.keys() == {"intellyhub-key", "intellyhub-administrator"}
    assert main(arguments) == 0
    assert api.kept == first
    assert set(api.asked) == {("POST", "/api/v1/namespaces/intellyhub/secrets", "Bearer own-token")}


def test_the_database_that_comes_along_gets_one_password_everywhere(api, arguments):
    assert main([*arguments, "--database", "postgresql"]) == 0
    given = opened(api.kept["intellyhub-database"])
    password = given.pop("password")
    assert given == {
        "DATABASE_URL": f"postgresql://intellyhub:{password}@postgresql:5432/intellyhub",
        "INTELLYHUB_DATABASE_URL": f"postgresql://intellyhub:{password}@postgresql:5432/intellyhub",
        "INTELLYHUB_JOURNAL_DATABASE_URL": f"postgresql://intellyhub:{password}@postgresql:5432/journal",
    }


def test_what_the_server_says_is_told(api, arguments, capsys):
    api.forbids = True
    assert main(arguments) == 1
    assert "answered 403" in capsys.readouterr().err


def test_no_server_is_no_traceback(arguments, capsys, tmp_path):
    assert main(["--mount", str(tmp_path), "--server", "http://127.0.0.1:1"]) == 1
    assert "cannot be made" in capsys.readouterr().err


def test_nothing_secret_is_written_to_the_log(api, arguments, capsys):
    main([*arguments, "--database", "postgresql"])
    told = capsys.readouterr()
    for manifest in api.kept.values():
        for value in opened(manifest).values():
            assert value.strip() not in told.err + told.out


def test_two_installations_have_nothing_in_common():
    one, other = (
        [value for manifest in make_first_secrets("x", "db") for value in opened(manifest).values()] for _ in range(2)
    )
    assert not set(one) & set(other)


def test_they_are_objects_that_a_cluster_takes_and_the_key_is_one_that_processes_read(tmp_path):
    manifests = make_first_secrets("intellyhub", "postgresql")
    assert not [fault for manifest in manifests for fault in judge(manifest)]
    (tmp_path / "platform.key").write_text(opened(manifests[0])["platform.key"])
    (tmp_path / "platform.key").chmod(0o440)
    assert load_keys(tmp_path / "platform.key").token(Purpose.SESSIONS)
