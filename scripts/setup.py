"""Makes `.venv`, installs one lock with verified hashes and the four packages, and does nothing when that is done.

    python3 scripts/setup.py [run|test|bench]

Needs Python 3.11 or newer and nothing else: where a Python comes without pip and without ensurepip (Debian's bare
python3), a pinned pip wheel is fetched from the package index and verified.
"""

import sys

if sys.version_info < (3, 11):  # first of all, so that an old Python reads this sentence and not a traceback
    sys.exit("IntellyHub needs Python 3.11 or newer, this is %d.%d; try make PYTHON=python3.12" % sys.version_info[:2])

import hashlib
import html.parser
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
PACKAGES = ("engine", "functions", "knative", "control-plane")
LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock", "bench": "requirements-bench.lock"}
PIP_VERSION = "26.3"  # newer than what Pythons bring: it installs the same lock in two thirds of the time
PIP_WHEEL = f"pip-{PIP_VERSION}-py3-none-any.whl"
PIP_WHEEL_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
PIP = (str(PYTHON), "-m", "pip")
QUIET = ("--quiet", "--disable-pip-version-check", "--no-input", "--root-user-action", "ignore")


def main(arguments: list[str]) -> int:
    """Bring `.venv` to what one lock says; return the exit code."""
    purpose = arguments[0] if arguments else "run"
    if len(arguments) > 1 or purpose not in LOCKS:
        print(f"usage: setup.py [{'|'.join(LOCKS)}]", file=sys.stderr)
        return 2
    if is_installed(purpose):
        return 0
    started = time.monotonic()
    try:
        install(purpose)
    except subprocess.CalledProcessError as failure:
        print(f"setup: stopped, because a command failed with exit code {failure.returncode}", file=sys.stderr)
        return 1
    except (OSError, LookupError) as failure:
        print(f"setup: stopped: {failure}", file=sys.stderr)
        return 1
    say(f"ready in {time.monotonic() - started:.0f} s")
    return 0


def is_installed(purpose: str) -> bool:
    """Whether `.venv` stands in this folder and holds this lock or a larger one."""
    stamp = read_stamp()
    return PYTHON.exists() and stamp.get("root") == str(ROOT) and stamp.get(purpose) == make_digest(purpose)


def install(purpose: str) -> None:
    """Install one lock and the four packages, then record that the locks it contains are installed too."""
    make_venv()
    install_pip()
    say(f"installing {LOCKS[purpose]}")
    # The lock is complete and every file is verified, so there is nothing for pip to resolve: --no-deps.
    run([*PIP, "install", *QUIET, "--no-deps", "--require-hashes", "--requirement", str(ROOT / LOCKS[purpose])])
    say(f"installing {', '.join(PACKAGES)} as editable packages")
    editables = [argument for package in PACKAGES for argument in ("--editable", str(ROOT / package))]
    run([*PIP, "install", *QUIET, "--no-deps", "--no-build-isolation", *editables])
    write_stamp(purpose)


def make_venv() -> None:
    """Create `.venv`, unless it is whole and was made in this folder (its scripts hold absolute paths)."""
    moved = STAMP.exists() and read_stamp().get("root") != str(ROOT)
    if moved or (VENV.exists() and not PYTHON.exists()):
        say("removing a .venv that was made elsewhere")
        shutil.rmtree(VENV)
    if not PYTHON.exists():
        say(f"making .venv with Python {sys.version.split()[0]}")
        run([sys.executable, "-m", "venv", "--without-pip", str(VENV)])


def install_pip() -> None:
    """Put the pinned pip into `.venv`, by whatever pip is at hand."""
    version = subprocess.run([*PIP, "--version"], check=False, capture_output=True, text=True).stdout
    if version.startswith(f"pip {PIP_VERSION} "):
        return
    with tempfile.TemporaryDirectory() as scratch:
        pinned = Path(scratch, "pip.txt")
        pinned.write_text(f"pip=={PIP_VERSION} --hash=sha256:{PIP_WHEEL_SHA256}\n")
        pip = find_pip(Path(scratch))
        run([*pip, "install", *QUIET, "--no-deps", "--require-hashes", "--requirement", str(pinned)])


def find_pip(scratch: Path) -> list[str]:
    """Return a command that runs some pip for `.venv`: its own, the system's, ensurepip's, or a fetched one."""
    if succeeds([*PIP, "--version"]):
        return [*PIP]
    system = [sys.executable, "-m", "pip", "--python", str(PYTHON)]  # an option since pip 22.3
    if succeeds([*system, "--version"]):
        return system
    if succeeds([str(PYTHON), "-m", "ensurepip"]):
        return [*PIP]
    say("fetching pip, because this Python comes without")
    return [str(PYTHON), str(fetch_pip_wheel(scratch) / "pip")]


def fetch_pip_wheel(scratch: Path) -> Path:
    """Download the pinned pip wheel from the index that PIP_INDEX_URL names, verify it, and return its path."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    links = LinkReader()
    links.feed(read_url(index).decode())
    address = next((link for link in links.found if urllib.parse.urlsplit(link).path.endswith("/" + PIP_WHEEL)), None)
    if address is None:
        raise LookupError(f"the package index does not offer {PIP_WHEEL}; install pip and call again")
    wheel = read_url(urllib.parse.urljoin(index, address))
    if hashlib.sha256(wheel).hexdigest() != PIP_WHEEL_SHA256:
        raise LookupError(f"{PIP_WHEEL} from the package index is not the file that was pinned")
    path = scratch / PIP_WHEEL
    path.write_bytes(wheel)
    return path


class LinkReader(html.parser.HTMLParser):
    """Collects the addresses of all links of an index page in `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def read_url(address: str) -> bytes:
    """Read one address, trusting the certificates of PIP_CERT where that is set, as pip does."""
    trust = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    with urllib.request.urlopen(address, timeout=60, context=trust) as answer:  # noqa: S310  (the user's own index)
        content: bytes = answer.read()
    return content


def make_digest(purpose: str) -> str:
    """Name the state that an installation of this lock must have: a change of any input gives another digest."""
    inputs = [ROOT / LOCKS[purpose], *(ROOT / package / "pyproject.toml" for package in PACKAGES)]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()


def read_stamp() -> dict[str, str]:
    """Return what is recorded as installed; nothing when there is no readable record."""
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def write_stamp(purpose: str) -> None:
    """Record the installed lock and the smaller ones: each lock contains the one before it, with the same versions."""
    purposes = list(LOCKS)[: list(LOCKS).index(purpose) + 1]
    STAMP.write_text(json.dumps({"root": str(ROOT)} | {name: make_digest(name) for name in purposes}, indent=1) + "\n")


def run(command: list[str]) -> None:
    """Run a command with its output shown; raises CalledProcessError."""
    subprocess.run(command, check=True, cwd=ROOT)


def succeeds(command: list[str]) -> bool:
    """Whether a command ends well; its output is not shown."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
