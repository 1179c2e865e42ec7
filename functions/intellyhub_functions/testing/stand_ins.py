"""An HTTPS proxy behind which servers of this machine stand for hosts of the internet: for code whose addresses nobody
can configure."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from intellyhub_functions.testing.certificates import make_certificate

__all__ = ["StandIns"]

SECONDS = 10.0
ONE_WAY = ("connection", "content-length", "transfer-encoding", "proxy-connection")
AUTHORITIES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPLIB2_CA_CERTS")
"""Where common libraries look for whom they trust."""


class StandIns:
    """Works while its context lasts. `hosts`: name -> the `http://host:port` of what stands for it."""

    def __init__(self, hosts: Mapping[str, str], folder: Path) -> None:
        made = make_certificate(folder, hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(hosts, context))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        proxy = f"http://127.0.0.1:{self._server.server_port}"
        trust = {name: str(made.certificate) for name in AUTHORITIES}
        self.environment = {**trust, "HTTPS_PROXY": proxy, "https_proxy": proxy}
        """What brings a program's HTTPS requests here, and makes it trust what it finds."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def make_handler(hosts: Mapping[str, str], context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = SECONDS
        target = ""

        def do_CONNECT(self) -> None:
            self.target = hosts.get(self.path.rpartition(":")[0], "")
            self.send_response(200 if self.target else 502)
            self.end_headers()
            if not self.target:
                self.close_connection = True
                return
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", 0)
            self.close_connection = False

        def finish(self) -> None:
            super().finish()
            self.connection.close()  # the server knows only what was there before the encryption

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ONE_WAY}
            server = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=SECONDS)
            try:
                server.request(self.command, self.path, body, headers)
                answer = server.getresponse()
                content = answer.read()
            finally:
                server.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ONE_WAY:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's name
            """Keep quiet."""

    return Handler
