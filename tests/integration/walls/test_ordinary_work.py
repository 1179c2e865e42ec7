"""What flows ordinarily do works behind walls."""

import os
import shutil
import socket
import threading

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]


def test_a_server_on_the_machine_can_be_asked_by_python(prison, server):
    code = f"""
import socket
s = socket.create_connection(('127.0.0.1', {server}))
s.sendall(b'GET / HTTP/1.0')
print(s.recv(12))
"""
    assert prison.python(code).output == "b'HTTP/1.0 200'\n"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_a_server_on_the_machine_can_be_asked_by_curl(prison, server):
    assert prison.shell(f"curl -sS http://localhost:{server}/").output == "hello"


def test_a_server_on_the_machine_can_be_asked_without_waiting(prison, server):
    code = f"""
import selectors, socket
s = socket.socket()
s.setblocking(False)
print(s.connect_ex(('127.0.0.1', {server})) in (0, 115))
with selectors.DefaultSelector() as ready:
    ready.register(s, selectors.EVENT_WRITE)
    print(len(ready.select(5)), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
"""
    assert prison.python(code).output == "True\n1 0\n"


def test_a_port_where_nobody_listens_refuses(prison):
    assert "Connection refused" in prison.python("import socket; socket.create_connection(('127.0.0.1', 1))").output


ORDINARY = {
    "names": ("import socket; print(socket.getaddrinfo('localhost', 80)[0][4][1])", "80\n"),
    "threads": ("import threading; t = threading.Thread(target=print, args=(1,)); t.start(); t.join()", "1\n"),
    "subprocess": (
        "import subprocess; print(subprocess.run(['echo', 'x'], capture_output=True, text=True).stdout)",
        "x\n\n",
    ),
    "semaphores": ("import multiprocessing as m; s = m.get_context('fork').Semaphore(1); print(s.acquire())", "True\n"),
    "sqlite": (
        "import sqlite3; d = sqlite3.connect('d.db'); d.execute('create table if not exists t (x)'); print(1)",
        "1\n",
    ),
    "renaming between folders": (
        "import os; os.makedirs('a/b', exist_ok=True); open('a/f', 'w'); os.rename('a/f', 'a/b/f'); print(1)",
        "1\n",
    ),
    "temporary files": ("import tempfile; f = tempfile.TemporaryFile(); f.write(b'x'); print(1)", "1\n"),
    "randomness": ("import os; print(len(os.urandom(4)))", "4\n"),
    "its own /proc": ("print(open('/proc/self/stat').read()[0].isdigit())", "True\n"),
    "the time zone": ("import time; print(time.localtime().tm_year > 2000)", "True\n"),
}


@pytest.mark.parametrize(("code", "output"), ORDINARY.values(), ids=ORDINARY)
def test_ordinary_python_works(prison, code, output):
    if code.startswith("import multiprocessing") and not prison.walls["namespaces"]:
        pytest.skip("without namespaces there is no /dev/shm")
    assert prison.python(code) == (output, 0)


COMMANDS = {
    "git": (
        "git",
        "git init -q r; cd r; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s",
        "x\n",
    ),
    "node": ("node", "node -e 'console.log(1)'", "1\n"),
    "gcc": (
        "gcc",
        "export TMPDIR=$PWD; echo 'int main(){return 0;}' > m.c && gcc m.c -o m && ./m && echo built",
        "built\n",
    ),
    "pipes": ("sh", "echo a | tr a b; echo err >&2", "b\nerr\n"),
    "process substitution": ("bash", "bash -c 'cat <(echo x)'", "x\n"),
    "tar": ("tar", "mkdir -p t && tar -cf - t | tar -tf -", "t/\n"),
}


@pytest.mark.parametrize(("program", "command", "output"), COMMANDS.values(), ids=COMMANDS)
def test_ordinary_programs_work(prison, program, command, output):
    found = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin")
    if not found:
        pytest.skip(f"needs {program}")
    assert prison.shell(f"PATH=/usr/local/bin:/usr/bin:/bin; rm -rf r t; {command}") == (output, 0)


def test_the_packages_of_the_installation_can_be_imported(prison):
    if prison.kind not in ("root", "settled") and os.geteuid() == 0:
        pytest.skip("the installation belongs to root here")
    assert prison.shell("$PYTHON -c 'import orjson, jinja2; print(1)'").output == "1\n"
