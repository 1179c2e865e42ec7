"""Which addresses are closed: the kernel's program and the keeper's table say the same."""

import ipaddress
import random
import struct

import pytest

from intellyhub_engine.walls import addresses

CLOSED = ("169.254.169.254", "169.254.0.0", "169.254.255.255", "168.63.129.16", "100.100.100.200", "192.0.0.192")
CLOSED6 = ("fe80::1", "febf::1", "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe")
OPEN = (
    "127.0.0.1",
    "10.0.0.1",
    "192.168.1.1",
    "169.253.255.255",
    "169.255.0.0",
    "168.63.129.17",
    "8.8.8.8",
    "254.169.254.169",
)
OPEN6 = (
    "::1",
    "fec0::1",
    "fd00:ec2::253",
    "fd00:ec2:1::254",
    "::ffff:8.8.8.8",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "::a9fe:a9fe",
)


def decide(address, port=80):
    """Run the program as the kernel would (Documentation/bpf/standardization/instruction-set.rst)."""
    plain = ipaddress.ip_address(address)
    context = bytearray(64)
    start = addresses.IP4 if plain.version == 4 else addresses.IP6
    context[start : start + len(plain.packed)] = plain.packed
    struct.pack_into(">H", context, addresses.PORT, port)
    instructions = list(struct.iter_unpack("=BBhI", addresses.make_program(plain.version)))
    registers = [0] * 11
    at = 0
    while True:
        code, pair, offset, constant = instructions[at]
        at += 1
        to = pair & 15
        if code == addresses.LOAD_32:
            registers[to] = struct.unpack_from("=I", context, offset)[0]
        elif code == addresses.AND_32:
            registers[to] &= constant
        elif code == addresses.MOVE:
            registers[to] = constant
        elif code == addresses.JUMP_NOT_EQUAL_32:
            at += offset if registers[to] != constant else 0
        else:
            return bool(registers[0])


@pytest.mark.parametrize("address", [*CLOSED, *CLOSED6])
def test_a_closed_address_is_closed_to_all_but_name_look_ups(address):
    assert addresses.is_closed(ipaddress.ip_address(address))
    assert not decide(address)
    assert decide(address, port=53)


@pytest.mark.parametrize("address", [*OPEN, *OPEN6])
def test_other_addresses_are_open(address):
    assert not addresses.is_closed(ipaddress.ip_address(address))
    assert decide(address)


def test_program_and_table_agree_on_any_address():
    chance = random.Random(1)
    near = [int(network.network_address) for network in addresses.CLOSED if network.version == 4]
    for _ in range(2000):
        number = chance.choice(near) ^ 1 << chance.randrange(32)
        for address in (ipaddress.IPv4Address(number), ipaddress.IPv6Address(0xFFFF << 32 | number)):
            assert decide(address) != addresses.is_closed(address)
