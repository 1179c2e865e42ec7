"""Nobody breaks out of a worker, whether by Python or by shell, as root, as an ordinary user or in a container."""

import os
import re
from pathlib import Path

import pytest

from tests.integration.walls.prison import SECRET

REFUSED = "Permission denied|not permitted|No such file|No such process|Read-only file system|Directory nonexistent"
pytestmark = pytest.mark.slow


OPENING = {
    "the platform's key": "{data}/platform.key",
    "another tenant's workspace": "{data}/workspaces/theirs/note.txt",
    "another tenant's workspace, from its own": "{mine}/../theirs/note.txt",
    "the same through the root of the first process": "/proc/1/root{data}/workspaces/theirs/note.txt",
    "the same through the working folder of a process": "/proc/self/cwd/../theirs/note.txt",
    "the environment of the first process": "/proc/1/environ",
    "the environment of its parent": "/proc/{worker}/environ",
    "the environment of the platform": "/proc/{platform}/environ",
    "the memory of the first process": "/proc/1/mem",
    "the memory of the platform": "/proc/{platform}/mem",
    "the memory map of the platform": "/proc/{platform}/maps",
    "a descriptor of the platform": "/proc/{platform}/fd/0",
    "passwords": "/etc/shadow",
    "the kernel's memory": "/proc/kcore",
    "the disk": "/dev/vda",
}


@pytest.mark.parametrize("path", OPENING.values(), ids=OPENING)
def test_a_file_outside_cannot_be_read(prison, path):
    by_python = prison.python(f"print(open({path!r}, 'rb').read(64))")
    by_shell = prison.shell(f"head -c 64 {path}")
    for outcome in (by_python, by_shell):
        assert outcome.status != 0, outcome
        assert SECRET not in outcome.output
        assert re.search(REFUSED, outcome.output), outcome


def test_a_link_in_the_workspace_does_not_lead_out(prison):
    assert prison.shell("rm -f out; ln -s {data}/workspaces/theirs out && cat out/note.txt").status != 0
    outcome = prison.python("import os; print(os.listdir('out'))")
    assert re.search(REFUSED, outcome.output)
    assert (
        prison.shell("cat {data}/workspaces/theirs/note.txt out/note.txt /proc/*/root{data}/platform.key").status != 0
    )


def test_nobody_can_leave_by_climbing(prison):
    code = "import os\nfor _ in range(40): os.chdir('..')\nprint(open('.' + '{data}/platform.key').read())"
    assert re.search(REFUSED, prison.python(code).output)
    assert SECRET not in prison.shell("cd ../../../../../../../..; cat .{data}/platform.key").output


def test_what_everybody_may_see_outside_is_not_there_either(prison):
    if not prison.walls["namespaces"]:
        pytest.skip("Landlock lets everybody know what exists")
    climb = "import os\nfor _ in range(40): os.chdir('..')\nprint(os.path.exists('.{base}/public'))"
    assert prison.python(climb).output == "False\n"
    assert prison.shell("test -e {base}/public || test -e /../..{base}/public").status == 1


WRITING = (
    "{data}/flows/main.yaml",
    "{base}/programs/flow",
    "/usr/planted",
    "/etc/passwd",
    "/planted",
    "{data}/planted",
)


@pytest.mark.parametrize("path", WRITING)
def test_nothing_outside_the_workspace_can_be_written(prison, path):
    for outcome in (prison.python(f"open({path!r}, 'w').write('x')"), prison.shell(f"echo x > {path}")):
        assert outcome.status != 0
        assert re.search(REFUSED, outcome.output), outcome


def test_what_is_given_to_it_can_be_read(prison):
    assert prison.python("print(open('{data}/flows/main.yaml').read())").output == "a flow\n"
    assert prison.shell("cat {base}/programs/flow").output == "a program"


CALLS = {
    "a new user namespace": "unshare(0x10000000)",
    "a new mount namespace": "unshare(0x20000)",
    "another's namespace": "setns(0, 0)",
    "a mount": "mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "an unmount": "umount2(b'/proc', 2)",
    "other attributes of a mount": "syscall(442, -100, b'/', 0x7FFFFFFF, None, 0)",
    "another root": "chroot(b'.')",
    "tracing the worker": "ptrace(16, 1, 0, 0)",
    "tracing itself": "ptrace(0, 0, 0, 0)",
    "reading another's memory": "process_vm_readv(1, None, 0, None, 0, 0)",
    "a program in the kernel": "syscall(321, 0, None, 0)",
    "performance counters": "syscall(298, None, 0, 0, 0, 0)",
    "the kernel's keys": "syscall(250, 0, 0)",
    "page faults in user space": "syscall(323, 0)",
    "io_uring": "syscall(425, 1, None)",
    "a new file system": "syscall(430, b'tmpfs', 0)",
    "another's descriptor": "syscall(438, 0, 0, 0)",
    "a file by its handle": "syscall(304, 0, None, 0)",
    "a clone in namespaces": "syscall(56, 0x10000000, 0, 0, 0, 0)",
    "another host name": "sethostname(b'x', 1)",
    "another clock": "clock_settime(0, bytes(16))",
    "memory of System V": "shmget(0, 4096, 0o1600)",
    "typing into the terminal": "ioctl(0, 0x5412, b'x')",
    "the same with upper bits": "ioctl(0, ctypes.c_ulong(0x100005412), b'x')",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_system_call_that_no_flow_needs_is_refused(prison, call):
    if "syscall" in call and os.uname().machine != "x86_64":
        pytest.skip("numbers are those of x86-64; a unit test compares the others")
    code = f"import ctypes, os\nc = ctypes.CDLL(None, use_errno=True)\nprint(c.{call}, os.strerror(ctypes.get_errno()))"
    assert prison.python(code).output == "-1 Operation not permitted\n"


SOCKETS = {
    "packets": ("socket.AF_PACKET, socket.SOCK_RAW", "not supported"),
    "raw": ("socket.AF_INET, socket.SOCK_RAW, 1", "not permitted"),
    "virtual machines": ("socket.AF_VSOCK, socket.SOCK_STREAM", "not supported"),
    "the kernel's ciphers": ("socket.AF_ALG, socket.SOCK_SEQPACKET", "not supported"),
    "firewall rules": ("socket.AF_NETLINK, socket.SOCK_RAW, 12", "not permitted"),
    "multipath": ("socket.AF_INET, socket.SOCK_STREAM, 262", "not supported"),
}


@pytest.mark.parametrize(("arguments", "fault"), SOCKETS.values(), ids=SOCKETS)
def test_a_socket_that_no_flow_needs_is_refused(prison, arguments, fault):
    outcome = prison.python(f"import socket; socket.socket({arguments})")
    assert fault in outcome.output


def test_a_private_socket_of_the_platform_is_out_of_reach(prison):
    connect = "import socket; socket.socket(socket.AF_UNIX).connect({})"
    for way in ("{data}/run/control.sock", "../../run/control.sock", "/proc/self/cwd/../../run/control.sock", "link"):
        code = "import os; os.path.lexists('link') or os.symlink('{data}/run/control.sock', 'link')\n"
        outcome = prison.python(code + connect.format(f"'{way}'"))
        assert re.search(REFUSED, outcome.output), outcome
        assert "refused" not in outcome.output
    assert prison.shell("curl -sS --max-time 5 --unix-socket {data}/run/control.sock http://x/").status in (7, 127)


def test_the_journals_socket_can_be_reached(prison):
    outcome = prison.python("import socket; socket.socket(socket.AF_UNIX).connect('{data}/run/journal.sock')")
    assert (outcome.status == 0) == prison.walls[
        "namespaces"
    ]  # elsewhere by the worker alone, not by authors' processes


def test_unix_sockets_in_the_workspace_work(prison):
    code = """
import os, socket
for name in ('own.sock', os.path.abspath('own.sock'), '\\0own'):
    if os.path.exists('own.sock'):
        os.unlink('own.sock')
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(name)
        server.listen()
        client.connect(name)
        client.sendall(b'x')
        print(server.accept()[0].recv(1))
"""
    assert prison.python(code) == ("b'x'\n" * 3, 0)


def test_an_abstract_socket_of_the_platform_is_out_of_reach(prison):
    if prison.walls["landlock"] < 6:
        pytest.skip("this kernel's Landlock does not know abstract sockets")
    outcome = prison.python("import socket; socket.socket(socket.AF_UNIX).connect('\\0{abstract}')")
    assert "Operation not permitted" in outcome.output


@pytest.mark.parametrize("target", ["{platform}", "{sibling}"])
def test_no_process_outside_can_be_signalled(prison, target):
    for outcome in (prison.python(f"import os; os.kill({target}, 9)"), prison.shell(f"kill -9 {target}")):
        assert re.search(REFUSED, outcome.output), outcome
    assert Path(f"/proc/{prison.places['sibling']}/fd/0").exists()


def test_the_worker_survives_its_own_authors_kill(prison):
    if not prison.walls["namespaces"]:
        pytest.skip("without a process namespace an author can end its own worker")
    prison.shell("kill -9 1; kill -STOP 1; kill -9 -1")
    assert prison.python("print('alive')").output == "alive\n"


def test_no_process_outside_can_be_seen(prison):
    if not prison.walls["namespaces"]:
        pytest.skip("Landlock hides no process, only what is in it")
    seen = prison.python("import os; print([int(n) for n in os.listdir('/proc') if n.isdigit()], os.getpid())").output
    assert seen == f"[{seen.split()[-1]}] {seen.split()[-1]}\n"


def test_programs_with_the_set_user_id_bit_gain_nothing(prison):
    if prison.walls["users"]:  # the copy belongs to root
        assert prison.shell("{base}/programs/id -u").output == prison.shell("id -u").output
    for outcome in (prison.shell("cat /proc/self/status"), prison.python("print(open('/proc/self/status').read())")):
        assert re.search(r"CapPrm:\s0{16}\n", outcome.output)
        assert re.search(r"CapEff:\s0{16}\n", outcome.output)
        assert re.search(r"NoNewPrivs:\s1\n", outcome.output)
        if prison.walls["namespaces"]:
            assert re.search(r"CapBnd:\s0{16}\n", outcome.output)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200"]
)
def test_metadata_services_are_out_of_reach(prison, address):
    ways = [("STREAM", "connect(({!r}, 80))"), ("DGRAM", "connect(({!r}, 80))")]
    if prison.walls["addresses"]:
        ways.append(("DGRAM", "sendto(b'x', ({!r}, 80))"))
    for kind, verb in ways:
        family = "AF_INET6" if ":" in address else "AF_INET"
        code = f"import socket; socket.socket(socket.{family}, socket.SOCK_{kind}).{verb.format(address)}"
        assert "Operation not permitted" in prison.python(code).output
    assert prison.shell(f"curl -sS --max-time 5 http://{f'[{address}]' if ':' in address else address}/").status in (
        7,
        127,
    )


def test_an_address_that_changes_while_it_is_looked_at_wins_nothing(prison):
    code = """
import ctypes, socket, threading
libc = ctypes.CDLL(None)
addresses = [bytes([2, 0, 0, 80, *host, *bytes(8)]) for host in ((127, 0, 0, 1), (169, 254, 169, 254))]
place = ctypes.create_string_buffer(addresses[0], 16)
going = True
def change():
    while going:
        for address in addresses:
            ctypes.memmove(place, address, 16)
threading.Thread(target=change, daemon=True).start()
reached = set()
for _ in range(60):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        if libc.connect(s.fileno(), place, 16) == 0:
            reached.add(s.getpeername()[0])
going = False
print(sorted(reached - {'127.0.0.1'}))
"""
    assert prison.python(code).output == "[]\n"


def test_a_server_of_its_own_on_a_chosen_port_is_refused(prison):
    if prison.walls["landlock"] < 4:
        pytest.skip("this kernel's Landlock does not know ports")
    assert "Permission denied" in prison.python("import socket; socket.socket().bind(('127.0.0.1', 18080))").output
    assert prison.python("import socket; socket.socket().bind(('127.0.0.1', 0))").status == 0
