"""pip, unable to start any other program: `python -I wheels_only.py ARGUMENTS OF PIP`.

`--only-binary` speaks of what an index offers; a package's metadata may still name a source by its address, which pip
would build, running code that came with it. Building needs a process, and here there can be none.
"""

import runpy
import sys

STARTS = frozenset(
    ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.Popen")
)


def refuse_processes(event: str, arguments: object) -> None:
    """An audit hook (PEP 578); it cannot be taken away again."""
    if event in STARTS:
        raise PermissionError("only wheels are installed here: nothing is built from source")


if __name__ == "__main__":
    sys.addaudithook(refuse_processes)
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
