"""What reaches a terminal or a pipe."""

import io
import os

from intellyhub_engine.cli.terminal import Outlet, Terminal, printable


def make_terminal(encoding="utf-8"):
    out, err = io.TextIOWrapper(io.BytesIO(), encoding=encoding), io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Terminal(Outlet(out), Outlet(err)), out, err


def written(stream):
    stream.flush()
    return stream.buffer.getvalue()


def test_control_characters_of_an_event_are_shown_and_not_obeyed():
    assert printable("a\x1b[2Jb\x07\u202ec\x9b") == "a\\x1b[2Jb\\x07\\u202ec\\x9b"


def test_tabs_and_line_feeds_stay():
    assert printable("a\tb\nc") == "a\tb\nc"


def test_piped_lines_carry_no_style():
    terminal, out, _ = make_terminal()
    terminal.show(("ok", "bold green"), " plain")
    assert written(out) == b"ok plain\n"


def test_a_character_that_the_stream_does_not_know_is_replaced():
    terminal, out, _ = make_terminal("ascii")
    terminal.show("perché → 🔔")
    assert written(out) == b"perch? ? ?\n"


def test_json_is_escaped_where_the_stream_does_not_know_its_characters():
    terminal, out, _ = make_terminal("ascii")
    terminal.emit_json({"a": "è"})
    assert written(out) == b'{"a": "\\u00e8"}\n'


def test_a_glyph_has_an_ascii_stand_in():
    assert make_terminal("ascii")[0].glyph("✓", "ok") == "ok"
    assert make_terminal()[0].glyph("✓", "ok") == "✓"


def test_a_reader_that_closed_the_pipe_stops_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        outlet = Outlet(stream)
        outlet.write("x" * 100_000)
        outlet.flush()
        outlet.write("more")
        outlet.flush()
        assert outlet.stream is None


def test_without_a_stream_writing_does_nothing():
    terminal = Terminal(Outlet(None), Outlet(None))
    terminal.show("a")
    terminal.tell("b")
    assert not terminal.interactive
