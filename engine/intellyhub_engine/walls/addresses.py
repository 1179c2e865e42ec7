"""Which addresses a worker cannot connect to: a small program in the kernel, attached to the worker's control group.

The kernel asks it at each connection and each datagram, with the address that is used, so no name, redirect or second
thread gets round it. It needs CAP_BPF and CAP_NET_ADMIN, that is root, and a group of version 2.
"""

from __future__ import annotations

import ctypes
import functools
import ipaddress
import os
import platform
import struct
from collections.abc import Sequence

from intellyhub_engine.walls import kernel

__all__ = ["CLOSED", "NAMES_PORT", "attach", "is_closed", "programs"]

CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "100.100.100.200/32",  # https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
        "168.63.129.16/32",  # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        "192.0.0.192/32",  # Oracle Cloud, older images
        "fd00:ec2::254/128",  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
        "fd20:ce::254/128",  # https://cloud.google.com/compute/docs/metadata/querying-metadata
    )
)
"""Link-local addresses and metadata services elsewhere. Their port 53 is open: on some clouds they resolve names."""

SYS_BPF = {"x86_64": 321, "aarch64": 280}
PROG_LOAD, PROG_ATTACH = 5, 8  # <linux/bpf.h>
CGROUP_SOCK_ADDR = 18
CONNECT4, CONNECT6, SENDMSG4, SENDMSG6 = 10, 11, 14, 15
ALLOW_MULTIPLE = 2
IP4, IP6, PORT = 4, 8, 24
"""Where struct bpf_sock_addr has the address and the port, in network order."""
NAMES_PORT = 53
NAME_SERVICE = struct.unpack("=I", struct.pack(">HH", NAMES_PORT, 0))[0]
V4_IN_V6 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
"""Where an IPv6 address stands for an IPv4 one: mapped, and by NAT64."""

ALL = 0xFFFFFFFF
LOAD_32, MOVE, AND_32, JUMP_NOT_EQUAL_32, EXIT = 0x61, 0xB7, 0x54, 0x56, 0x95
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_closed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether workers cannot connect to an address. An IPv4 address inside an IPv6 one counts as itself."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in outer for outer in V4_IN_V6):
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return any(network.version == address.version and address in network for network in CLOSED)


@functools.cache
def programs() -> tuple[tuple[int, int], ...]:
    """The programs, handed to the kernel once: what each is attached for, and its descriptor. Raises `OSError`."""
    four, six = make_program(4), make_program(6)
    wanted = ((CONNECT4, four), (SENDMSG4, four), (CONNECT6, six), (SENDMSG6, six))
    return tuple((kind, load(code, kind)) for kind, code in wanted)


def attach(group: str) -> None:
    """Attach the programs to a group, and close them here; they go when the group goes."""
    folder = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for kind, program in programs():
            bpf(PROG_ATTACH, struct.pack("=IIII", folder, program, kind, ALLOW_MULTIPLE))
            os.close(program)
    finally:
        os.close(folder)


def load(code: bytes, kind: int) -> int:
    """Hand one program to the kernel."""
    instructions = ctypes.create_string_buffer(code, len(code))
    license_text = ctypes.create_string_buffer(b"MIT")
    attributes = struct.pack(
        "=IIQQIIQII16sII",
        CGROUP_SOCK_ADDR,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(license_text),
        *(0, 0, 0, 0, 0),
        b"intellyhub",
        0,
        kind,
    )
    return bpf(PROG_LOAD, attributes)


def bpf(command: int, attributes: bytes) -> int:
    """bpf(2)."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return kernel.syscall(
        SYS_BPF[platform.machine()], "bpf", command, ctypes.byref(buffer), ctypes.c_uint32(len(attributes))
    )


def make_program(version: int) -> bytes:
    """The program for IPv4 or IPv6 addresses: 1 lets the connection be made, 0 refuses it with EPERM."""
    first = IP4 if version == 4 else IP6
    code = unless([(PORT, ALL, NAME_SERVICE)], answer(1))
    for network in CLOSED:
        if network.version == version:
            code += unless(words(network, first), answer(0))
        elif version == 6:
            for outer in V4_IN_V6:
                code += unless(words(inside(outer, network), first), answer(0))
    return b"".join((*code, *answer(1)))


def unless(conditions: Sequence[tuple[int, int, int]], then: list[bytes]) -> list[bytes]:
    """Instructions that do `then` if each condition holds: the word at an offset, masked, is a value."""
    code = list(then)
    for offset, bits, value in reversed(conditions):
        code.insert(0, encode(JUMP_NOT_EQUAL_32, 2, offset=len(code), constant=value))
        if bits != ALL:
            code.insert(0, encode(AND_32, 2, constant=bits))
        code.insert(0, encode(LOAD_32, 2, source=1, offset=offset))
    return code


def words(network: Network, first: int) -> list[tuple[int, int, int]]:
    """A network as conditions on the 32-bit words of an address that begins at offset `first`."""
    masks = struct.iter_unpack("=I", network.netmask.packed)
    values = struct.iter_unpack("=I", network.network_address.packed)
    conditions = [
        (first + 4 * place, bits, value) for place, ((bits,), (value,)) in enumerate(zip(masks, values, strict=True))
    ]
    return [condition for condition in conditions if condition[1]]


def inside(outer: ipaddress.IPv6Network, network: Network) -> ipaddress.IPv6Network:
    """The IPv6 network that stands for an IPv4 one."""
    address = int(outer.network_address) | int(network.network_address)
    return ipaddress.IPv6Network((address, outer.prefixlen + network.prefixlen))


def answer(value: int) -> list[bytes]:
    """Instructions that end the program."""
    return [encode(MOVE, 0, constant=value), encode(EXIT, 0)]


def encode(code: int, to: int, *, source: int = 0, offset: int = 0, constant: int = 0) -> bytes:
    """Struct bpf_insn."""
    return struct.pack("=BBhI", code, source << 4 | to, offset, constant)
