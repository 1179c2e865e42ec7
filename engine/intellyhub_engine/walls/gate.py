"""A gate in front of connections, where the kernel takes no program of ours: for ordinary users, and in containers.

The kernel holds each `connect` of an author's process and asks the *keeper*, its ancestor, which connects in its place.
The keeper copies the address once, looks at the copy and connects to the copy, so nothing is won by changing it
meanwhile (seccomp_unotify(2) says why to let the call itself go on would be no wall). Datagrams sent without `connect`
do not come through here; metadata services do not speak datagrams.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from intellyhub_engine.walls import bpf, kernel, seccomp

__all__ = ["Attempt", "answer", "close_behind", "connect", "is_quick", "receive"]

SYS_SECCOMP = {"x86_64": 317, "aarch64": 277}
SET_MODE_FILTER = 1
NEW_LISTENER = 1 << 3
WAIT_KILLABLE = 1 << 5
"""Linux 5.19: a signal with a handler does not take back what the keeper has begun."""
ASK = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
CONNECT = (42, 203)
PIDFD_GETFD = 438
RECEIVE, SEND, IS_VALID = 0xC0502100, 0xC0182101, 0x40082102  # SECCOMP_IOCTL_NOTIF_*
NOTICE = struct.Struct("=QIIiIQ6Q")
ANSWER = struct.Struct("=QqiI")
LONGEST_ADDRESS = 128  # sizeof(struct sockaddr_storage)


class Attempt(NamedTuple):
    """A connection that somebody wants."""

    notice: int
    thread: int
    socket: int
    """A descriptor of the same socket, ours."""
    address: bytes


def close_behind() -> int:
    """Close the gate behind this process and its children, for good; the descriptor on which the keeper hears of them.
    Needs no_new_privs."""
    column, architecture = seccomp.PROCESSORS[platform.machine()]
    code = bpf.assemble(
        [
            bpf.load(seccomp.ARCHITECTURE),
            bpf.jump_if_equal(architecture, None, "end"),
            bpf.load(seccomp.NUMBER),
            bpf.jump_if_equal(CONNECT[column], "ask"),
            bpf.jump_if_equal(PIDFD_GETFD, "refuse"),
            bpf.stop(seccomp.ALLOW),
            bpf.label("ask"),
            bpf.stop(ASK),
            bpf.label("end"),
            bpf.stop(seccomp.KILL_PROCESS),
            bpf.label("refuse"),
            bpf.stop(seccomp.REFUSE | errno.EPERM),
        ]
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    program = seccomp.Program(len(code) // seccomp.INSTRUCTION_BYTES, ctypes.addressof(buffer))
    try:
        return install(NEW_LISTENER | WAIT_KILLABLE, program)
    except OSError as fault:
        if fault.errno != errno.EINVAL:
            raise
        return install(NEW_LISTENER, program)


def install(flags: int, program: seccomp.Program) -> int:
    """seccomp(2)."""
    number = SYS_SECCOMP[platform.machine()]
    return kernel.syscall(number, "seccomp", SET_MODE_FILTER, ctypes.c_ulong(flags), ctypes.byref(program))


def receive(listener: int) -> Attempt | None:
    """Who wants to connect where; None where nobody wants to any more. One that cannot be looked into is refused."""
    buffer = bytearray(NOTICE.size)
    try:
        fcntl.ioctl(listener, RECEIVE, buffer)
    except OSError as fault:
        if fault.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    notice, thread, _, _, _, _, number, place, length, *_ = NOTICE.unpack(buffer)
    try:
        address = read_memory(thread, place, min(length & 0xFFFFFFFF, LONGEST_ADDRESS))
        process = os.pidfd_open(find_process(thread))
        try:
            ours = kernel.syscall(
                PIDFD_GETFD, "pidfd_getfd", process, ctypes.c_int(number & 0xFFFFFFFF), ctypes.c_uint(0)
            )
        finally:
            os.close(process)
    except OSError as fault:
        answer(listener, notice, fault.errno or errno.EPERM)
        return None
    try:
        fcntl.ioctl(listener, IS_VALID, struct.pack("=Q", notice))
    except OSError:  # it ended; what was read may be another's who got its number
        os.close(ours)
        return None
    return Attempt(notice, thread, ours, address)


def read_memory(thread: int, place: int, length: int) -> bytes:
    """Bytes of another process. Raises `OSError` where they cannot be read."""
    memory = os.open(f"/proc/{thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(memory, length, place)
    except OverflowError:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT)) from None
    finally:
        os.close(memory)


def find_process(thread: int) -> int:
    """The process that a thread belongs to."""
    for line in Path(f"/proc/{thread}/status").read_bytes().splitlines():
        if line.startswith(b"Tgid:"):
            return int(line.split()[1])
    raise OSError(errno.ESRCH, os.strerror(errno.ESRCH))


def answer(listener: int, notice: int, fault: int) -> None:
    """Tell what came of it: 0, or an error's number. Nothing happens where nobody waits for it."""
    try:
        fcntl.ioctl(listener, SEND, ANSWER.pack(notice, 0, -fault, 0))
    except OSError as gone:
        if gone.errno != errno.ENOENT:
            raise


def connect(attempt: Attempt, folder: str | None) -> int:
    """Connect in the place of who wants it, if that may be: 0, or an error's number. Takes as long as connections do.

    With `folder`, the unix sockets of others can be seen from here, and only those in this folder may be used.
    """
    try:
        with contextlib.ExitStack() as held:
            address = check(attempt, folder, held)
            kernel.call("connect", attempt.socket, address, ctypes.c_uint(len(address)))
    except OSError as fault:
        return fault.errno or errno.EPERM
    return 0


def is_quick(attempt: Attempt) -> bool:
    """Whether `connect` comes back at once: the socket does not wait, or sends datagrams. Who makes it wait after all,
    in the middle, holds up its own connections alone."""
    if fcntl.fcntl(attempt.socket, fcntl.F_GETFL) & os.O_NONBLOCK:
        return True
    looked_at = socket.socket(fileno=attempt.socket)
    kind = looked_at.type
    looked_at.detach()
    return kind == socket.SOCK_DGRAM


def check(attempt: Attempt, folder: str | None, held: contextlib.ExitStack) -> bytes:
    """The address to connect to, good while what is `held` is open. Raises PermissionError."""
    address = attempt.address
    family = int.from_bytes(address[:2], "little") if len(address) >= 2 else socket.AF_UNSPEC
    if family == socket.AF_UNIX and folder is not None and address[2:3] not in (b"", b"\0"):
        return find_socket(attempt, folder, held)
    if family == socket.AF_INET and len(address) >= 8:
        refuse_closed(address[4:8], address[2:4])
    if family == socket.AF_INET6 and len(address) >= 24:
        refuse_closed(address[8:24], address[2:4])
    return address


def refuse_closed(address: bytes, port: bytes) -> None:
    """Raise PermissionError for an address that is closed."""
    import ipaddress

    from intellyhub_engine.walls.addresses import NAMES_PORT, is_closed

    if is_closed(ipaddress.ip_address(address)) and int.from_bytes(port, "big") != NAMES_PORT:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def find_socket(attempt: Attempt, folder: str, held: contextlib.ExitStack) -> bytes:
    """The address of a unix socket, which is held so that no link can be put in its place."""
    name = os.fsdecode(attempt.address[2:].partition(b"\0")[0])
    start = os.open(f"/proc/{attempt.thread}/cwd", os.O_PATH | os.O_DIRECTORY)
    held.callback(os.close, start)
    found = os.open(name, os.O_PATH, dir_fd=start)
    held.callback(os.close, found)
    if not Path(f"/proc/self/fd/{found}").readlink().is_relative_to(folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return struct.pack("=H", socket.AF_UNIX) + f"/proc/self/fd/{found}".encode() + b"\0"
