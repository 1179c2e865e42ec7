"""A gateway and a journal service as real processes, between a client and doubles of what stands behind them."""

from __future__ import annotations

import http.client
import http.server
import json
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from intellyhub_knative.platform.deployments import Deployment, Version, write_deployment
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.seal import seal
from intellyhub_knative.platform.service import SOCKETS
from intellyhub_knative.platform.tenants import Tenant, write_tenant
from tests.integration.platform_processes import start_process


class Got(NamedTuple):
    """A request that a double received. Header names are lower-case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class Said(NamedTuple):
    """What a client was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Double:
    """An HTTP server on a unix socket that answers as a test wants: (status, headers, body), or None to hang up."""

    def __init__(self, path: Path, answer: Callable[[Got], Any]) -> None:
        self.path, self.answer = path, answer
        self.got: list[Got] = []
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *arguments: object) -> None:
                pass

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = (
                    self.rfile.read(length) if "chunked" not in headers.get("transfer-encoding", "") else chunks(self)
                )
                got = Got(self.command, self.path, headers, body)
                double.got.append(got)
                said = double.answer(got)
                if said is None:
                    self.close_connection = True
                    return
                status, extra, content = said
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                if isinstance(content, bytes):
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(b"" if self.command == "HEAD" else content)
                else:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for part in content:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                        self.wfile.flush()
                    self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # the client went away

            def process_request(self, request: Any, client_address: Any) -> None:
                double.open.append(request)
                super().process_request(request, client_address)

        path.unlink(missing_ok=True)
        self.open: list[socket.socket] = []
        self._server = Server(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for kept in self.open:
            with suppress(OSError):  # most have ended
                kept.shutdown(socket.SHUT_RDWR)
        self.path.unlink(missing_ok=True)


def chunks(handler: http.server.BaseHTTPRequestHandler) -> bytes:
    """A chunked body."""
    body = b""
    while size := int(handler.rfile.readline().strip(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


class Front:
    """One data folder, one gateway, one journal service, doubles."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="ih-"))
        self.layout = Layout(data=self.folder)
        self.keys = load_keys(self.layout.key)
        self.settings = settings
        self.doubles: list[Double] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.journal: subprocess.Popen[bytes]
        self.gateway: subprocess.Popen[bytes]

    def start(self, name: str, sockets: dict[str, str] | None = None, **named: Any) -> subprocess.Popen[bytes]:
        """Start a process of the platform and wait until it says that it works."""
        module, log = f"intellyhub_knative.platform.{name}", self.folder / f"{name}.log"
        process = start_process(module, self.folder, log, self.settings | (sockets or {}), **named)
        self.processes.append(process)
        return process

    def start_journal(self, *, file_bytes: int | None = None) -> None:
        self.journal = self.start("journal", file_bytes=file_bytes)

    def start_gateway(self) -> None:
        descriptor = self.listening.fileno()
        self.gateway = self.start("gateway", {SOCKETS: f"http={descriptor}"}, pass_fds=[descriptor])

    def end(self, process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> int:
        process.send_signal(number)
        return process.wait(20)

    def tenant(self, slug: str = "acme", secrets: dict[str, str] | None = None, **fields: Any) -> Tenant:
        """Write a tenant."""
        sealed = {name: seal(value, self.keys) for name, value in (secrets or {}).items()}
        tenant = Tenant(tenant_id=name_of(slug), slug=slug, sealed_secrets=sealed, **{"max_pods": 5, **fields})
        write_tenant(self.layout.tenants, tenant)
        return tenant

    def flow(self, slug: str = "orders", tenant: str = "acme", listener: Any = None, **fields: Any) -> Deployment:
        """Write a deployment; by default its listener is a webhook."""
        flow = Deployment(
            tenant_id=name_of(tenant),
            tenant_slug=tenant,
            flow_id=name_of(f"{tenant}/{slug}"),
            slug=slug,
            name=slug,
            versions=(Version(number=1, digest="d1", path="/1"),),
            listener={"type": "webhook"} if listener is None else listener,
            **fields,
        )
        write_deployment(self.layout.deployments, flow)
        return flow

    def worker(self, flow: Deployment, answer: Callable[[Got], Any] | None = None) -> Double:
        """A double of the flow's worker."""
        return self.double(self.layout.flow_socket(flow.flow_id, 1), answer or (lambda got: ok({"run_id": "r"})))

    def control(self, answer: Callable[[Got], Any]) -> Double:
        """A double of the control plane."""
        return self.double(self.layout.socket("control"), answer)

    def double(self, path: Path, answer: Callable[[Got], Any]) -> Double:
        self.doubles.append(Double(path, answer))
        return self.doubles[-1]

    def client(self) -> JournalClient:
        return JournalClient(self.layout.socket("journal"), self.keys.token(Purpose.JOURNAL))

    def ask(self, method: str, target: str, body: Any = None, **headers: str) -> Said:
        """One request on a connection of its own. Underscores of header names are hyphens; `body` is JSON unless it is
        bytes or an iterator of them."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes | Iterator):
            body, names = json.dumps(body).encode(), {"Content-Type": "application/json", **names}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, target, body, names, encode_chunked=isinstance(body, Iterator))
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Said(response.status, received, response.read())
        finally:
            connection.close()

    def raw(self, content: bytes, seconds: float = 10) -> bytes:
        """Bytes sent as they are; all that comes back until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(content)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received

    def close_doubles(self) -> None:
        """Let nobody stand behind the gateway any more."""
        while self.doubles:
            self.doubles.pop().close()

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(20)
        self.close_doubles()
        self.listening.close()
        shutil.rmtree(self.folder)


@contextmanager
def front(*, journal: bool = False, **settings: str) -> Iterator[Front]:
    """A gateway that serves, with a journal service where a test needs one."""
    made = Front(**settings)
    try:
        if journal:
            made.start_journal()
        made.start_gateway()
        yield made
    finally:
        made.close()


def name_of(text: str) -> str:
    """32 hexadecimal digits."""
    return text.encode().hex()[:32].ljust(32, "0")


def ok(document: Any, status: int = 200, **headers: str) -> Any:
    """An answer in JSON."""
    return status, {"Content-Type": "application/json", **headers}, json.dumps(document).encode()
