"""A plugin's files: bounded, pinned, signed."""

import base64
import hashlib
import io
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intellyhub_control_plane.plugins import files as plugin_files
from intellyhub_control_plane.plugins.files import (
    SIGNATURE,
    SUMS,
    digest_of,
    pack,
    read_archive,
    read_folder,
    sums_of,
    write_files,
)
from intellyhub_control_plane.plugins.signatures import check_signature, read_key
from intellyhub_engine.errors import InputInvalid

FILES = {"manifest.json": b"{}", "a/b.py": b"x = 1\n"}


def archive_of(*entries):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in entries:
            archive.writestr(name, text)
    return content.getvalue()


def test_files_come_back_as_they_were_packed_and_written(tmp_path):
    assert read_archive(pack(FILES)) == FILES
    write_files(tmp_path / "plugin", FILES)
    assert read_folder(tmp_path / "plugin") == FILES
    assert oct((tmp_path / "plugin" / "a" / "b.py").stat().st_mode)[-3:] == "644"


def test_what_tools_leave_behind_is_no_part_of_a_plugin(tmp_path):
    write_files(tmp_path / "plugin", FILES)
    for name in (".git/config", "__pycache__/x.pyc", "plugins/plugins.json", "plugins/shout/x.py"):
        path = tmp_path / "plugin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    assert read_folder(tmp_path / "plugin") == FILES


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "manifest.json").symlink_to("/etc/passwd")
    with pytest.raises(InputInvalid, match="is a link"):
        read_folder(tmp_path)


def test_a_pipe_does_not_hold_up_who_reads(tmp_path):
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(InputInvalid, match="is no file"):
        read_folder(tmp_path)


@pytest.mark.parametrize("name", ["../out.py", "/etc/x", "a/../../b", "a//b", "a\\b", "C:x", "a\nb", "x" * 300])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(InputInvalid, match="no name for a file"):
        read_archive(archive_of((name, "x")))


def test_names_that_are_one_on_other_systems_are_refused():
    with pytest.raises(InputInvalid, match="differ only in the case"):
        read_archive(archive_of(("a.py", "x"), ("A.py", "y")))


def test_an_archive_that_unpacks_to_much_is_refused():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big", bytes(20 << 20))
    assert len(content.getvalue()) < 100_000
    with pytest.raises(InputInvalid, match="more than"):
        read_archive(content.getvalue())


def test_an_archive_with_a_link_is_refused():
    entry = zipfile.ZipInfo("link")
    entry.external_attr = 0o120777 << 16
    with pytest.raises(InputInvalid, match="is a link"):
        read_archive(archive_of((entry, "/etc/passwd")))


@pytest.mark.parametrize("content", [b"", b"no archive", pack(FILES)[:-30]])
def test_what_is_no_archive_is_refused(content):
    with pytest.raises(InputInvalid, match="cannot be read"):
        read_archive(content)


def test_a_folder_with_too_much_in_it_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(plugin_files, "MOST_BYTES", 1000)
    (tmp_path / "big").write_bytes(bytes(1001))
    with pytest.raises(InputInvalid, match="more than"):
        read_folder(tmp_path)


def test_sums_are_what_sha256sum_checks(tmp_path):
    write_files(tmp_path / "plugin", {**FILES, SUMS: sums_of(FILES).encode()})
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=tmp_path / "plugin", capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_command_of_the_guide_makes_these_sums(repository):
    guide = (Path(__file__).parents[4] / "docs" / "plugins.md").read_text()
    (command,) = re.findall(r"^\$ (git ls-files .*)$", guide, re.MULTILINE)
    files = {"manifest.json": "{}", "Zebra.py": "", "a b/ä.py": "x = 1\n", "plugin.sums.minisig": "old"}
    repository.commit(files)
    repository.git("config", "core.quotepath", "off")
    subprocess.run(["sh", "-c", command], cwd=repository.folder, check=True)
    assert (repository.folder / SUMS).read_text() == sums_of(read_folder(repository.folder))


def test_the_digest_says_what_is_in_the_files_and_a_signature_does_not_change_it():
    assert digest_of(FILES) == digest_of({**FILES, SUMS: b"x", SIGNATURE: b"y"})
    assert digest_of(FILES) != digest_of({**FILES, "a/b.py": b"x = 2\n"})
    assert digest_of(FILES) != digest_of({"manifest.json": b"{}", "a/c.py": b"x = 1\n"})


class Signer:
    """Signs as minisign does: https://jedisct1.github.io/minisign/#signature-format."""

    def __init__(self, number=b"12345678"):
        self.key = Ed25519PrivateKey.generate()
        self.number = number

    @property
    def public(self):
        return base64.b64encode(b"Ed" + self.number + self.key.public_key().public_bytes_raw()).decode()

    def sign(self, files, *, hashed=True, comment="timestamp:1"):
        sums = sums_of(files).encode()
        signature = self.key.sign(hashlib.blake2b(sums).digest() if hashed else sums)
        whole = self.key.sign(signature + comment.encode())
        lines = [
            "untrusted comment: signature",
            base64.b64encode((b"ED" if hashed else b"Ed") + self.number + signature).decode(),
            f"trusted comment: {comment}",
            base64.b64encode(whole).decode(),
        ]
        return {**files, SUMS: sums, SIGNATURE: "\n".join(lines).encode()}


@pytest.mark.parametrize("hashed", [True, False])
def test_a_signature_of_minisigns_is_valid(hashed):
    signer = Signer()
    check_signature(signer.sign(FILES, hashed=hashed), read_key(signer.public))
    check_signature(signer.sign(FILES, hashed=hashed), read_key(f"untrusted comment: Ada\n{signer.public}\n"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a/b.py": b"evil"}, "were changed after it was signed"),
        ({"new.py": b"evil"}, "were changed after it was signed"),
        ({SIGNATURE: b"nonsense"}, "no signature of minisign's"),
    ],
)
def test_a_plugin_that_was_changed_is_refused(change, message):
    signer = Signer()
    with pytest.raises(InputInvalid, match=message):
        check_signature({**signer.sign(FILES), **change}, read_key(signer.public))


def test_sums_that_were_changed_with_the_files_are_refused():
    signer, evil = Signer(), {**FILES, "a/b.py": b"evil"}
    forged = {**signer.sign(FILES), **evil, SUMS: sums_of(evil).encode()}
    with pytest.raises(InputInvalid, match="forged or damaged"):
        check_signature(forged, read_key(signer.public))


def test_a_trusted_comment_that_was_changed_is_refused():
    signer = Signer()
    signed = signer.sign(FILES, comment="version 1")
    signed[SIGNATURE] = signed[SIGNATURE].replace(b"version 1", b"version 2")
    with pytest.raises(InputInvalid, match="forged or damaged"):
        check_signature(signed, read_key(signer.public))


def test_another_ones_signature_is_refused():
    with pytest.raises(InputInvalid, match="another key"):
        check_signature(Signer(b"87654321").sign(FILES), read_key(Signer().public))
    with pytest.raises(InputInvalid, match="forged"):
        check_signature(Signer().sign(FILES), read_key(Signer().public))
    with pytest.raises(InputInvalid, match="not signed"):
        check_signature(FILES, read_key(Signer().public))


@pytest.mark.parametrize("text", ["", "RW", "x" * 56, base64.b64encode(bytes(42)).decode()])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(InputInvalid, match="none of minisign's"):
        read_key(text)
