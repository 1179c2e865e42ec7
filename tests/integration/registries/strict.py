"""A registry in the test process that keeps strictly to the OCI distribution specification 1.1, signs in with Basic or
Bearer, and fails when it is told to. It passes the same contract tests as Debian's docker-registry.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import socketserver
import ssl
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from intellyhub_functions.testing.certificates import Certificate

NAME = r"(?P<name>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
ROUTES = (
    ("blob", re.compile(rf"^/v2/{NAME}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})$")),
    ("begin", re.compile(rf"^/v2/{NAME}/blobs/uploads/$")),
    ("upload", re.compile(rf"^/v2/{NAME}/blobs/uploads/(?P<id>[0-9a-f]+)$")),
    ("manifest", re.compile(rf"^/v2/{NAME}/manifests/(?P<reference>[A-Za-z0-9_][A-Za-z0-9._:-]*)$")),
    ("referrers", re.compile(rf"^/v2/{NAME}/referrers/(?P<digest>sha256:[0-9a-f]{{64}})$")),
    ("token", re.compile(r"^/token$")),
    ("elsewhere", re.compile(r"^/elsewhere/(?P<digest>sha256:[0-9a-f]{64})$")),
    ("root", re.compile(r"^/v2/$")),
)
USER, PASSWORD, REFRESH = "ada", "lovelace:1815", "refresh-me"


class StrictRegistry:
    """A context. `auth` is `none`, `basic` or `bearer`."""

    def __init__(self, auth: str = "none", tls: Certificate | None = None, referrers: bool = True) -> None:
        self.auth = auth
        self.referrers = referrers
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.uploads: dict[str, tuple[str, bytearray]] = {}
        self.tokens: dict[str, set[str]] = {}
        self.log: list[tuple[str, str]] = []
        self.failures: list[tuple[str, str, int | str]] = []
        """(method, beginning of a path's last part..., status or `close`): each happens once."""
        self.redirects_to = ""
        """Where blobs are to be fetched from; empty: here."""
        self.strangers: list[str | None] = []
        """`Authorization` of requests that came to `/elsewhere`."""
        self.least_piece = 0
        self.cuts = 0
        """How many downloads of layers break off in their middle."""
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.registry = self
        self.scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.scheme = "https"
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    def __enter__(self) -> StrictRegistry:
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def fail(self, method: str, part: str, what: int | str) -> None:
        """The next request of this method whose path contains `part` fails so."""
        self.failures.append((method, part, what))

    def count(self, method: str, part: str = "") -> int:
        """How many such requests came."""
        return sum(1 for each, path in self.log if each == method and part in path)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    registry: StrictRegistry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away, or do not trust us, are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def handle_one_request(self) -> None:
        self.connection.settimeout(20)
        super().handle_one_request()

    def do_any(self) -> None:
        registry, place = self.server.registry, urlsplit(self.path)
        registry.log.append((self.command, self.path))
        self.query = {name: values[-1] for name, values in parse_qs(place.query).items()}
        for failure in registry.failures:
            method, part, what = failure
            if method == self.command and part in self.path:
                registry.failures.remove(failure)
                if what == "close":
                    self.close_connection = True
                    self.connection.close()
                    return
                self.body()
                self.say(int(what), {"Retry-After": "0"}, error("UNAVAILABLE", "come again"))
                return
        for kind, pattern in ROUTES:
            if match := pattern.match(place.path):
                if kind in ("token", "elsewhere") or self.is_allowed(kind, match.groupdict().get("name", "")):
                    getattr(self, kind)(**match.groupdict())
                return
        self.body()
        self.say(404, {}, error("NAME_UNKNOWN", self.path))

    def body(self) -> bytes:
        assert "Transfer-Encoding" not in self.headers, "some registries take no chunked bodies"
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def is_allowed(self, kind: str, name: str) -> bool:
        """Whether the request shows who it is; answers it where not."""
        registry = self.server.registry
        wanted = {f"repository:{name}:pull"} if self.command in ("GET", "HEAD") else {f"repository:{name}:push"}
        if kind == "begin" and "from" in self.query:
            wanted.add(f"repository:{self.query['from']}:pull")
        shown = self.headers.get("Authorization") or ""
        if registry.auth == "none":
            assert not shown, "credentials for somebody who did not ask"
            return True
        if registry.auth == "basic":
            if shown == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
                return True
            challenge = 'Basic realm="strict, but fair"'
        else:
            if wanted <= registry.tokens.get(shown.removeprefix("Bearer "), set()):
                return True
            challenge = (
                f'Bearer realm="{registry.scheme}://{registry.host}/token",service="strict",scope="{scope_of(wanted)}"'
            )
        self.body()
        self.say(401, {"WWW-Authenticate": challenge}, error("UNAUTHORIZED", "who are you?"))
        return False

    def token(self) -> None:
        registry = self.server.registry
        form = parse_qs(self.body().decode())
        asked = parse_qs(urlsplit(self.path).query)
        assert (asked or form)["service"] == ["strict"]
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != basic and form.get("refresh_token") != [REFRESH]:
            self.say(401, {}, error("UNAUTHORIZED", "wrong"))
            return
        scopes = [scope for text in (asked or form).get("scope", []) for scope in text.split()]
        token = secrets.token_hex(16)
        registry.tokens[token] = {
            f"{scope.rpartition(':')[0]}:{action}" for scope in scopes for action in scope.rpartition(":")[2].split(",")
        }
        self.say(200, {}, json.dumps({"token": token, "expires_in": 60}).encode())

    def root(self) -> None:
        self.say(200, {}, b"{}")

    def blob(self, name: str, digest: str) -> None:
        registry = self.server.registry
        content = registry.blobs.get((name, digest))
        if content is None:
            self.say(404, {}, error("BLOB_UNKNOWN", digest))
        elif registry.redirects_to and self.command == "GET":
            self.say(307, {"Location": f"{registry.redirects_to}/elsewhere/{digest}"})
        elif registry.cuts and self.command == "GET" and content[:2] == b"\x1f\x8b":
            registry.cuts -= 1
            self.close_connection = True
            self.say(200, {"Content-Length": str(len(content))}, content[: len(content) // 2])
        else:
            self.say(200, {"Content-Length": str(len(content)), "Docker-Content-Digest": digest}, content)

    def elsewhere(self, digest: str) -> None:
        registry = self.server.registry
        registry.strangers.append(self.headers.get("Authorization"))
        self.say(200, {}, next(content for (_, found), content in registry.blobs.items() if found == digest))

    def begin(self, name: str) -> None:
        registry = self.server.registry
        assert self.body() == b""
        known = registry.blobs.get((self.query.get("from", ""), self.query.get("mount", "")))
        if known is not None:
            digest = self.query["mount"]
            registry.blobs[name, digest] = known
            self.say(201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})
            return
        number = secrets.token_hex(8)
        registry.uploads[number] = (name, bytearray())
        # Relative, with a query of its own that has to come back.
        least = {"OCI-Chunk-Min-Length": str(registry.least_piece)} if registry.least_piece else {}
        self.say(202, {"Location": f"/v2/{name}/blobs/uploads/{number}?state=a%2Fb", **least})

    def upload(self, name: str, id: str) -> None:  # noqa: A002 - the name of the group
        registry, content = self.server.registry, self.body()
        found = registry.uploads.get(id)
        if found is None or found[0] != name or self.query.get("state") != "a/b":
            self.say(404, {}, error("BLOB_UPLOAD_UNKNOWN", id))
            return
        held = found[1]
        if self.command == "PATCH":
            if self.headers.get("Content-Range") != f"{len(held)}-{len(held) + len(content) - 1}":
                self.say(416, {})
                return
            held += content
            place = f"{registry.scheme}://{registry.host}/v2/{name}/blobs/uploads/{id}?state=a%2Fb"
            self.say(202, {"Location": place, "Range": f"0-{len(held) - 1}"})
            return
        held += content
        del registry.uploads[id]
        digest = "sha256:" + hashlib.sha256(held).hexdigest()
        if digest != self.query.get("digest"):
            self.say(400, {}, error("DIGEST_INVALID", "these are other bytes"))
            return
        registry.blobs[name, digest] = bytes(held)
        self.say(201, {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def manifest(self, name: str, reference: str) -> None:
        if self.command == "PUT":
            self.put_manifest(name, reference)
            return
        found = self.server.registry.manifests.get((name, reference))
        if found is None:
            self.say(404, {}, error("MANIFEST_UNKNOWN", reference))
            return
        kind, content = found
        assert kind in self.headers["Accept"]
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.say(
            200, {"Content-Type": kind, "Docker-Content-Digest": digest, "Content-Length": str(len(content))}, content
        )

    def put_manifest(self, name: str, reference: str) -> None:
        registry, content, kind = self.server.registry, self.body(), self.headers["Content-Type"]
        document = json.loads(content)
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if document["mediaType"] != kind or (":" in reference and reference != digest):
            self.say(400, {}, error("MANIFEST_INVALID", "another type, or another digest"))
            return
        for row in (*document.get("layers", ()), *([document["config"]] if "config" in document else [])):
            known = registry.blobs.get((name, row["digest"]))
            if known is None or len(known) != row["size"]:
                self.say(400, {}, error("MANIFEST_BLOB_UNKNOWN", row["digest"]))
                return
        for row in document.get("manifests", ()):
            if (name, row["digest"]) not in registry.manifests:
                self.say(400, {}, error("MANIFEST_BLOB_UNKNOWN", row["digest"]))
                return
        registry.manifests[name, reference] = registry.manifests[name, digest] = (kind, content)
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        if registry.referrers and "subject" in document:
            headers["OCI-Subject"] = document["subject"]["digest"]
        self.say(201, headers)

    def referrers(self, name: str, digest: str) -> None:
        registry = self.server.registry
        if not registry.referrers:
            self.say(404, {}, error("UNSUPPORTED", ""))
            return
        rows = []
        for (owner, reference), (kind, content) in registry.manifests.items():
            document = json.loads(content)
            if owner == name and ":" in reference and document.get("subject", {}).get("digest") == digest:
                rows.append({"mediaType": kind, "digest": reference, "size": len(content)})
        self.say(200, {}, json.dumps({"schemaVersion": 2, "manifests": rows}).encode())


for each in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
    setattr(Handler, f"do_{each}", Handler.do_any)


def scope_of(wanted: set[str]) -> str:
    return " ".join(sorted(wanted))


def error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def docker_config(folder: Path, host: str, **row: str) -> Path:
    """A folder for DOCKER_CONFIG that signs in at a host."""
    fields = row or {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auths": {host: fields}}))
    return folder
