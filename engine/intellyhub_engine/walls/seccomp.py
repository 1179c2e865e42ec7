"""The system calls that no flow needs, refused by a filter of the kernel's own.

They are how walls have been broken: mounts and namespaces, tracing, the kernel's newest and least tried interfaces.
Everything else is allowed, as authors may start any program. The filter is written by hand, in the words of `bpf.py`:
what is built on libseccomp fails where that is missing, as in a slim image, and knows the calls of its time only. A
test compares the numbers with libseccomp's where it is installed.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import platform

from intellyhub_engine.walls import bpf, kernel

__all__ = ["DENIED", "NEWER", "PROCESSORS", "install_first", "install_last", "make_first", "make_last"]

PR_SET_SECCOMP = 22  # <linux/prctl.h>
MODE_FILTER = 2
ALLOW = 0x7FFF0000  # <linux/seccomp.h>
REFUSE = 0x00050000
KILL_PROCESS = 0x80000000
INSTRUCTION_BYTES = 8
NUMBER, ARCHITECTURE = 0, 4  # struct seccomp_data
ARGUMENTS = (16, 24, 32, 40, 48, 56)
"""Where the lower halves of arguments lie on little-endian processors; the kernel looks at no more of those below."""

PROCESSORS = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the table below, and AUDIT_ARCH_*. Programs for other processors, such as 32-bit ones, are ended."""
X32 = 0x40000000
"""Numbers from here on are the x32 interface of x86-64."""

DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_create": (319, 279),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "move_pages": (279, 239),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""Refused with EPERM: their numbers on x86-64 and on arm64. System V's shared memory, queues and semaphores are here
because what they hold counts for no limit of a process; memfd_create as well, unless a worker's memory is limited as a
whole."""
NEWER = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "open_tree_attr": 467,
}
"""The same for what came later and has one number on every processor."""
CLONE, UNSHARE, IOCTL, SOCKET, PERSONALITY = (56, 220), (272, 97), (16, 29), (41, 198), (135, 92)
SEND_TO, SEND_MESSAGE, SEND_MESSAGES = (44, 206), (46, 211), (307, 269)
CLONE3 = 435

NAMESPACE_FLAGS = 0x7E020080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. In clone(2) the first is part of a
signal's number."""
TERMINAL_INPUT, CONSOLE = 0x5412, 0x541C
"""TIOCSTI types on the terminal of whoever started the platform; TIOCLINUX pastes there."""
UNIX, INTERNET, INTERNET6, NETLINK = 1, 2, 10, 16
SOCKET_TYPE = 0xF
STREAM, DATAGRAM = 1, 2
PROTOCOLS = (0, 1, 6, 17, 58)
"""Any, ICMP (echo without rights), TCP, UDP, ICMPv6. Not MPTCP and SCTP: they connect by ways that no wall looks at."""
ROUTES = 0
"""The netlink protocol with which the C library lists addresses."""
QUERY_PERSONALITY = 0xFFFFFFFF
FAST_OPEN = 0x20000000
"""MSG_FASTOPEN: a send that connects."""


LAST = ("mount", "mount_setattr", "pivot_root", "umount2")
"""What building the walls itself needs: refused by a second, small filter, as installing a large one takes long."""


def install_first(*, allowed: frozenset[str] = frozenset()) -> None:
    """Filter this process's calls and its children's, for good, but for those that `install_last` refuses, and those in
    `allowed`. Needs no_new_privs."""
    install(make_first(platform.machine(), allowed))


def install_last() -> None:
    """Refuse the rest. Needs no_new_privs."""
    install(make_last(platform.machine()))


def install(code: bytes) -> None:
    """Hand a filter to the kernel."""
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Program(len(code) // INSTRUCTION_BYTES, ctypes.addressof(buffer))
    kernel.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(program))


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


@functools.cache
def make_first(machine: str, allowed: frozenset[str]) -> bytes:
    """The large filter for a processor."""
    column, _ = PROCESSORS[machine]
    return make_filter(machine, looked_into(column), find_numbers(column, except_for=allowed.union(LAST)))


@functools.cache
def make_last(machine: str) -> bytes:
    """The small one."""
    column, _ = PROCESSORS[machine]
    return make_filter(machine, [], find_numbers(column, except_for=frozenset((*DENIED, *NEWER)).difference(LAST)))


def find_numbers(column: int, *, except_for: frozenset[str]) -> list[int]:
    """The numbers of the calls in the tables."""
    numbers = {name: row[column] for name, row in DENIED.items()} | NEWER
    return [number for name, number in numbers.items() if name not in except_for and number is not None]


def make_filter(machine: str, looked_into: list[bpf.Instruction], refused: list[int]) -> bytes:
    """One filter: what is looked into, what is refused, and everything else allowed."""
    return bpf.assemble(
        [
            bpf.load(ARCHITECTURE),
            bpf.jump_if_equal(PROCESSORS[machine][1], None, "end"),
            bpf.load(NUMBER),
            bpf.jump_if_not_less(X32, "end"),
            *looked_into,
            *(bpf.jump_if_equal(number, "refuse") for number in refused),
            bpf.label("allow"),
            bpf.stop(ALLOW),
            bpf.label("end"),
            bpf.stop(KILL_PROCESS),
            bpf.label("refuse"),
            bpf.stop(REFUSE | errno.EPERM),
            bpf.label("absent"),
            bpf.stop(REFUSE | errno.ENOSYS),
            bpf.label("no family"),
            bpf.stop(REFUSE | errno.EAFNOSUPPORT),
            bpf.label("no protocol"),
            bpf.stop(REFUSE | errno.EPROTONOSUPPORT),
            bpf.label("no such operation"),
            bpf.stop(REFUSE | errno.EOPNOTSUPP),
        ]
    )


def looked_into(column: int) -> list[bpf.Instruction]:
    """The calls whose arguments decide."""
    program = [bpf.jump_if_equal(CLONE3, "absent")]  # its flags lie in memory; the C library then uses clone
    for number in (CLONE[column], UNSHARE[column]):
        flags = NAMESPACE_FLAGS if number == UNSHARE[column] else NAMESPACE_FLAGS & ~0xFF
        program += on(number, [bpf.load(ARGUMENTS[0]), bpf.jump_if_any(flags, "refuse", "allow")])
    program += on(
        IOCTL[column],
        [
            bpf.load(ARGUMENTS[1]),
            bpf.jump_if_equal(TERMINAL_INPUT, "refuse"),
            bpf.jump_if_equal(CONSOLE, "refuse", "allow"),
        ],
    )
    program += on(
        PERSONALITY[column],
        [
            bpf.load(ARGUMENTS[0]),
            bpf.jump_if_equal(0, "allow"),
            bpf.jump_if_equal(QUERY_PERSONALITY, "allow", "refuse"),
        ],
    )
    for number, argument in ((SEND_TO[column], 3), (SEND_MESSAGE[column], 2), (SEND_MESSAGES[column], 3)):
        program += on(number, [bpf.load(ARGUMENTS[argument]), bpf.jump_if_any(FAST_OPEN, "no such operation", "allow")])
    program += on(SOCKET[column], sockets())
    return program


def on(number: int, then: list[bpf.Instruction]) -> list[bpf.Instruction]:
    """Look into one call; `then` does not fall through."""
    after = f"after {number}"
    return [bpf.jump_if_equal(number, None, after), *then, bpf.label(after), bpf.load(NUMBER)]


def sockets() -> list[bpf.Instruction]:
    """Unix sockets; streams and datagrams of the internet; the list of addresses."""
    return [
        bpf.load(ARGUMENTS[0]),
        bpf.jump_if_equal(UNIX, "allow"),
        bpf.jump_if_equal(INTERNET, "internet"),
        bpf.jump_if_equal(INTERNET6, "internet"),
        bpf.jump_if_equal(NETLINK, None, "no family"),
        bpf.load(ARGUMENTS[2]),
        bpf.jump_if_equal(ROUTES, "allow", "refuse"),
        bpf.label("internet"),
        bpf.load(ARGUMENTS[1]),
        bpf.mask(SOCKET_TYPE),
        bpf.jump_if_equal(STREAM, "known type"),
        bpf.jump_if_equal(DATAGRAM, "known type", "refuse"),
        bpf.label("known type"),
        bpf.load(ARGUMENTS[2]),
        *(bpf.jump_if_equal(protocol, "allow") for protocol in PROTOCOLS[:-1]),
        bpf.jump_if_equal(PROTOCOLS[-1], "allow", "no protocol"),
    ]
