"""Debian's docker-registry (the distribution project's registry), as a process on loopback. Where it is installed."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from intellyhub_functions.testing.certificates import Certificate, make_certificate
from intellyhub_functions.testing.ports import free_port
from tests.integration.registries.strict import PASSWORD, USER

PROGRAM = shutil.which("docker-registry")
HTPASSWD = USER + ":$2b$05$abcdefghijklmnopqrstuunGbAvBn2JZSisxfha37M0clthUnFH1a\n"
"""bcrypt of PASSWORD, the one kind that it takes."""


class DebianRegistry:
    """Where it listens."""

    def __init__(self, host: str) -> None:
        self.host = host


@contextmanager
def debian_registry(folder: Path, auth: str = "none", tls: Certificate | None = None) -> Iterator[DebianRegistry]:
    """Run it until the context ends."""
    assert PROGRAM is not None
    folder.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"accesslog": {"disabled": True}, "level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host, "secret": "tests"},
    }
    if tls is not None:
        config["http"]["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
    with token_service(folder) as (realm, bundle):
        if auth == "basic":
            (folder / "htpasswd").write_text(HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "debian", "path": str(folder / "htpasswd")}}
        if auth == "bearer":
            config["auth"] = {
                "token": {"realm": realm, "service": "debian", "issuer": "tests", "rootcertbundle": str(bundle)}
            }
        (folder / "config.yml").write_text(json.dumps(config))
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen([PROGRAM, "serve", str(folder / "config.yml")], stdout=log, stderr=log) as process,
        ):
            try:
                wait_until_it_answers(host, process, folder / "log")
                yield DebianRegistry(host)
            finally:
                process.terminate()


def wait_until_it_answers(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    name, _, port = host.partition(":")
    deadline = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection(name, int(port), timeout=5)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
            return
        except http.client.HTTPException:  # it wants TLS, and is there
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        finally:
            connection.close()


@contextmanager
def token_service(folder: Path) -> Iterator[tuple[str, Path]]:
    """What hands out tokens for it: its address, and the certificate that signs them."""
    place = folder / "tokens"
    place.mkdir(exist_ok=True)
    certificate = make_certificate(place)
    chain = x509.load_pem_x509_certificate(certificate.certificate.read_bytes())
    x5c = [base64.b64encode(chain.public_bytes(Encoding.DER)).decode()]
    key = certificate.key.read_text()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

        def do_GET(self) -> None:
            shown = self.headers.get("Authorization")
            if shown != "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
                self.send_error(401)
                return
            now = datetime.now(UTC)
            rows = []
            for scope in parse_qs(urlsplit(self.path).query).get("scope", []):
                kind, _, rest = scope.partition(":")
                name, _, actions = rest.rpartition(":")
                rows.append({"type": kind, "name": name, "actions": actions.split(",")})
            claims = {
                "iss": "tests",
                "sub": USER,
                "aud": "debian",
                "access": rows,
                "jti": "1",
                "iat": now,
                "nbf": now - timedelta(seconds=10),
                "exp": now + timedelta(seconds=60),
            }
            token = jwt.encode(claims, key, algorithm="ES256", headers={"x5c": x5c})
            content = json.dumps({"token": token}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/token", certificate.certificate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
