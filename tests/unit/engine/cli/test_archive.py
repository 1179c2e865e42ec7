"""Flow texts kept beside a journal."""

import pytest

from intellyhub_engine.cli.archive import Archive, Kept
from intellyhub_engine.errors import InputInvalid

DIGEST = "ab" * 32


def test_a_text_is_found_again_by_another_process(tmp_path):
    Archive(tmp_path / "flows").keep(DIGEST, Kept(b"states: {}", "news", "/home/ada/news.yaml"))
    assert Archive(tmp_path / "flows").find(DIGEST) == Kept(b"states: {}", "news", "/home/ada/news.yaml")


def test_the_last_file_that_had_the_text_is_remembered(tmp_path):
    archive = Archive(tmp_path)
    for path in ("/a.yaml", "/b.yaml"):
        archive.keep(DIGEST, Kept(b"x", "n", path))
    assert Archive(tmp_path).find(DIGEST).path == "/b.yaml"


def test_a_lost_note_loses_only_the_origin(tmp_path):
    archive = Archive(tmp_path)
    archive.keep(DIGEST, Kept(b"x", "n", "/a.yaml"))
    (tmp_path / f"{DIGEST}.json").write_text("[]")
    assert Archive(tmp_path).find(DIGEST) == Kept(b"x", "flow", "")


@pytest.mark.parametrize("digest", [DIGEST, "../../etc/passwd", ""])
def test_a_text_that_was_never_kept_asks_for_its_file(tmp_path, digest):
    with pytest.raises(InputInvalid, match="--flow"):
        Archive(tmp_path).find(digest)


def test_without_a_folder_texts_live_as_long_as_the_process():
    archive = Archive(None)
    archive.keep(DIGEST, Kept(b"x", "n", ""))
    assert archive.find(DIGEST).text == b"x"
