"""The listening sockets of a platform: opened before any process, kept open while processes are started again."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.service import BACKLOG, listen

__all__ = ["HTTP", "PortTaken", "open_sockets"]

HTTP = "http"
"""The name of the one TCP socket."""
FIRST_FREE_PORT = 1024


class PortTaken(EngineError):
    """The address cannot be listened on; the message says why and what to do."""


@contextmanager
def open_sockets(
    layout: Layout, names: Iterable[str], *, host: str, port: int
) -> Iterator[Mapping[str, socket.socket]]:
    """Open them all, by name; at the end close them and remove what they left in the folder of sockets.
    Raises `PortTaken`, `InputInvalid`, `OSError`."""
    with ExitStack() as stack:
        opened = {HTTP: stack.enter_context(open_port(host, port))}
        stack.callback(remove_flow_sockets, layout)
        for name in names:
            if name != HTTP:
                opened[name] = stack.enter_context(listen(layout, name))
                stack.callback(layout.socket(name).unlink, missing_ok=True)
        yield opened


def open_port(host: str, port: int) -> socket.socket:
    """The one TCP port."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except socket.gaierror as fault:
        raise PortTaken(f"the host {host!r} is unknown: {fault.strerror}\nName an address of this machine.") from None
    except OverflowError:
        raise PortTaken(f"{port} is no port: they go up to 65535") from None
    except OSError as fault:
        raise PortTaken(explain(fault, host, port)) from None


def explain(fault: OSError, host: str, port: int) -> str:
    """Why the port could not be opened, and the remedy."""
    if fault.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken by another program\n"
            f"Start with another one: --port {port + 1 if port < 65_535 else 5000}"
        )
    if fault.errno == errno.EACCES and port < FIRST_FREE_PORT:
        return f"port {port} may only be opened by root\nStart with one above 1023, for example --port 5000."
    return f"port {port} of {host} cannot be opened: {fault.strerror}\nName an address of this machine with --host."


def remove_flow_sockets(layout: Layout) -> None:
    """What the activator left, where it had no time to tidy up."""
    for path in layout.sockets.glob("flows/*.sock"):
        path.unlink(missing_ok=True)
