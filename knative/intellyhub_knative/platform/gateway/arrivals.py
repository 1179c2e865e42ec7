"""What arrives at the port: headers, bodies within bounds, and whose address it is."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.room import Room
from intellyhub_knative.platform.gateway.settings import Network

__all__ = ["find_base", "find_client", "forward_headers", "go_on", "read_headers", "read_whole"]

HOP_BY_HOP = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""RFC 9110, section 7.6.1, and what only one connection's two ends have to do with."""
OURS = "x-intellyhub-"
TOLD_BY_PROXIES = frozenset(("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"))


def read_headers(request: web.BaseRequest) -> dict[str, str]:
    """Lower-case names; bytes as Latin-1; repeated ones joined with a comma; without those that only the platform's
    own processes may send."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if not name.startswith(OURS):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def read_whole(request: web.BaseRequest, limit: int, seconds: float, room: Room) -> bytes:
    """The body. Raises `Refusal` where it is larger than `limit` bytes, takes longer than `seconds`, or has no room."""
    if (request.content_length or 0) > limit:
        raise too_large(limit)
    if not request.can_read_body:
        return b""
    if request.content.is_eof():
        body = request.content.read_nowait(-1)
        if len(body) > limit:
            raise too_large(limit)
        room.take(request, len(body))
        return body
    await go_on(request)
    received = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                received += chunk
                if len(received) > limit:
                    raise too_large(limit)
                room.take(request, len(chunk))
    except TimeoutError:
        raise Refusal(Fault.TOO_SLOW, f"the body took longer than {seconds:g} seconds", close=True) from None
    except (web.RequestPayloadError, ConnectionError) as fault:
        raise Refusal(Fault.BAD_BODY, "the body is not complete", close=True) from fault
    return bytes(received)


async def go_on(request: web.BaseRequest) -> None:
    """Tell a client that asked whether its body is wanted that it is."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def too_large(limit: int) -> Refusal:
    """413."""
    return Refusal(Fault.TOO_LARGE, f"the body is larger than {limit} bytes", close=True)


def find_client(headers: Mapping[str, str], peer: str, trusted: Sequence[Network]) -> str:
    """Whose request it is: the peer, or whom trusted proxies name. What they were told by others does not count."""
    client = plain(peer)
    told = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    while told and is_in(client, trusted):
        named = plain(told.pop())
        if named is None:
            break
        client = named
    return client or peer


def find_base(headers: Mapping[str, str], peer: str, trusted: Sequence[Network]) -> str:
    """Where the caller found this port: `https://flows.example.org`. What proxies say counts only of trusted ones."""
    told = headers if is_in(plain(peer), trusted) else {}
    scheme = told.get("x-forwarded-proto", "http").partition(",")[0].strip().lower()
    host = told.get("x-forwarded-host", headers.get("host", "localhost")).partition(",")[0].strip()
    return f"{'https' if scheme == 'https' else 'http'}://{host}"


def plain(address: str) -> str | None:
    """An address in its usual form, an IPv4 address in IPv6's clothes as itself; None for what is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def is_in(address: str | None, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return bool(networks) and address is not None and any(ipaddress.ip_address(address) in each for each in networks)


def forward_headers(request: web.BaseRequest, trusted: Sequence[Network]) -> CIMultiDict[str]:
    """A request's headers as the control plane gets them: it can believe every `X-Forwarded-*` among them."""
    peer = plain(request.remote or "") or ""
    believed = is_in(peer, trusted)
    headers = pass_on(request.headers, without=() if believed else TOLD_BY_PROXIES)
    before = headers.getall("X-Forwarded-For", [])
    headers["X-Forwarded-For"] = ", ".join([*before, peer])
    headers.setdefault("X-Forwarded-Proto", "http")
    headers.setdefault("X-Forwarded-Host", request.headers.get("Host", ""))
    return headers


def pass_on(headers: CIMultiDictProxy[str], without: Sequence[str] | frozenset[str] = ()) -> CIMultiDict[str]:
    """Headers for the next connection: none that belong to this one, none that only the platform may send."""
    named = {part.strip().lower() for value in headers.getall("Connection", []) for part in value.split(",")}
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if not ((lower := name.lower()) in HOP_BY_HOP or lower in named or lower in without or lower.startswith(OURS))
    )
