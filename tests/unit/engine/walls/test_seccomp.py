"""Which system calls the filters refuse, decided by the bytes that the kernel gets."""

import ctypes
import errno
import struct

import pytest

from intellyhub_engine.walls import seccomp
from intellyhub_engine.walls.bpf import assemble, jump_if_equal, label, load, stop

MACHINES = sorted(seccomp.PROCESSORS)
ALLOWED, KILLED = "allowed", "killed"


def decide(machine, number, *arguments, allowed=frozenset(), architecture=None):
    """What the two filters together make of a call: the strictest answer wins, as in the kernel."""
    call = struct.pack(
        "=iIQ6Q", number, architecture or seccomp.PROCESSORS[machine][1], 0, *arguments, *[0] * (6 - len(arguments))
    )
    filters = (seccomp.make_first(machine, allowed), seccomp.make_last(machine))
    answers = [interpret(code, call) for code in filters]
    if seccomp.KILL_PROCESS in answers:
        return KILLED
    refused = [answer for answer in answers if answer != seccomp.ALLOW]
    return errno.errorcode[refused[0] & 0xFFFF] if refused else ALLOWED


def interpret(code, call):
    """Run classic BPF (Documentation/networking/filter.rst)."""
    instructions = list(struct.iter_unpack("=HBBI", code))
    at = held = 0
    while True:
        operation, yes, no, constant = instructions[at]
        at += 1
        if operation == 0x06:
            return constant
        if operation == 0x20:
            held = struct.unpack_from("=I", call, constant)[0]
        elif operation == 0x54:
            held &= constant
        else:
            met = {0x15: held == constant, 0x35: held >= constant, 0x45: bool(held & constant)}[operation]
            at += yes if met else no


def column(machine):
    return seccomp.PROCESSORS[machine][0]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", [*seccomp.DENIED, *seccomp.NEWER])
def test_every_call_of_the_tables_is_refused(machine, name):
    number = seccomp.NEWER.get(name) or seccomp.DENIED[name][column(machine)]
    if number is not None:
        assert decide(machine, number) == "EPERM"


@pytest.mark.parametrize("machine", MACHINES)
def test_ordinary_calls_are_allowed(machine):
    for row in ((0, 63), (1, 64), (59, 221), (257, 56), (9, 222), (202, 98), (42, 203), (49, 200)):
        assert (
            decide(machine, row[column(machine)]) == ALLOWED
        )  # read, write, execve, openat, mmap, futex, connect, bind


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_limited_otherwise_need_not_be_refused(machine):
    number = seccomp.DENIED["memfd_create"][column(machine)]
    assert decide(machine, number, allowed=frozenset({"memfd_create"})) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_processes_can_be_made_but_no_namespaces(machine):
    clone, unshare = seccomp.CLONE[column(machine)], seccomp.UNSHARE[column(machine)]
    assert decide(machine, clone, 0x3D0F00) == ALLOWED  # what pthread_create asks for
    assert decide(machine, clone, 17) == ALLOWED  # what fork asks for
    assert decide(machine, clone, 0x80 | 17) == ALLOWED  # a signal's number is no flag
    assert decide(machine, seccomp.CLONE3) == "ENOSYS"
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(machine, clone, flag | 17) == "EPERM"
        assert decide(machine, unshare, flag) == "EPERM"
    assert decide(machine, unshare, 0x80) == "EPERM"
    assert decide(machine, unshare, 0x400) == ALLOWED  # descriptors of its own


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_that_flows_need_are_allowed_and_no_others(machine):
    number = seccomp.SOCKET[column(machine)]
    cloexec = 0x80000
    for family, kind, protocol in (
        (1, 1, 0),
        (1, 5, 0),
        (2, 1, 0),
        (2, 1, 6),
        (2, 2, 17),
        (10, 2 | cloexec, 0),
        (16, 3 | cloexec, 0),
    ):
        assert decide(machine, number, family, kind, protocol) == ALLOWED
    assert decide(machine, number, 17, 3, 0) == "EAFNOSUPPORT"
    assert decide(machine, number, 40, 1, 0) == "EAFNOSUPPORT"
    assert decide(machine, number, 38, 5, 0) == "EAFNOSUPPORT"
    assert decide(machine, number, 2, 3, 1) == "EPERM"
    assert decide(machine, number, 2, 1, 262) == "EPROTONOSUPPORT"
    assert decide(machine, number, 2, 1, 132) == "EPROTONOSUPPORT"
    assert decide(machine, number, 16, 3, 12) == "EPERM"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_send_that_connects_is_refused(machine):
    for row, argument in ((seccomp.SEND_TO, 3), (seccomp.SEND_MESSAGE, 2), (seccomp.SEND_MESSAGES, 3)):
        arguments = [0] * 6
        assert decide(machine, row[column(machine)], *arguments) == ALLOWED
        arguments[argument] = seccomp.FAST_OPEN | 0x4000
        assert decide(machine, row[column(machine)], *arguments) == errno.errorcode[errno.EOPNOTSUPP]


@pytest.mark.parametrize("machine", MACHINES)
def test_terminals_take_no_typing_whatever_stands_in_the_upper_bits(machine):
    number = seccomp.IOCTL[column(machine)]
    assert decide(machine, number, 0, 0x5401) == ALLOWED
    assert decide(machine, number, 0, 0x5412) == "EPERM"
    assert decide(machine, number, 0, 0x100005412) == "EPERM"


def test_calls_of_other_processors_end_the_process():
    assert decide("x86_64", 165, architecture=0x40000003) == KILLED  # i386
    assert decide("x86_64", 0x40000000 | 165) == KILLED  # x32
    assert decide("aarch64", 40, architecture=0x40000028) == KILLED  # arm


def test_the_numbers_are_those_of_libseccomp():
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not installed")
    singles = {name.lower(): getattr(seccomp, name) for name in ("CLONE", "UNSHARE", "IOCTL", "SOCKET", "PERSONALITY")}
    sends = {"sendto": seccomp.SEND_TO, "sendmsg": seccomp.SEND_MESSAGE, "sendmmsg": seccomp.SEND_MESSAGES}
    table = seccomp.DENIED | singles | sends | {name: (number, number) for name, number in seccomp.NEWER.items()}
    wrong = []
    for machine, (place, architecture) in seccomp.PROCESSORS.items():
        for name, row in table.items():
            known = library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(architecture), name.encode())
            if known == -1:  # newer than the library
                continue
            if (known if known >= 0 else None) != row[place]:
                wrong.append((machine, name, known, row[place]))
    assert wrong == []


def test_a_jump_to_nowhere_is_refused():
    with pytest.raises(ValueError, match="instruction 1 jumps to nowhere"):
        assemble([load(0), jump_if_equal(1, "nowhere"), label("end"), stop(0)])


def test_a_jump_too_far_is_refused():
    with pytest.raises(ValueError, match="not within reach"):
        assemble([jump_if_equal(1, "end"), *[load(0)] * 256, label("end"), stop(0)])
