"""Where commands write: coloured by rich on a terminal, plain and stable when piped, and harmless everywhere.

Text that came from a flow or an event never reaches a terminal with its control characters, a reader that closed the
pipe never stops a run, and a terminal that cannot show a character gets another one in its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Fragment", "Outlet", "Terminal", "open_terminal", "printable"]

Fragment = str | tuple[str, str]
"""Text, or text with a rich style; the style is dropped where nobody can see it."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that could move the cursor, recolour or reorder what a terminal shows; tabs and line feeds may pass."""


def printable(text: str) -> str:
    """Make control characters visible instead of effective."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Outlet:
    """A text stream that stays usable: a closed pipe swallows the rest, unknown characters are replaced."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.encoding = (stream.encoding if stream is not None else None) or "utf-8"

    def write(self, text: str) -> int:
        if self.stream is not None:
            shown = text.encode(self.encoding, "replace").decode(self.encoding)
            try:
                self.stream.write(shown)
            except BrokenPipeError:
                self.close()
            except OSError:  # a full disk: told by whoever called, and not once more by the interpreter's own flush
                self.close()
                raise
        return len(text)

    def flush(self) -> None:
        if self.stream is not None:
            try:
                self.stream.flush()
            except BrokenPipeError:
                self.close()
            except OSError:
                self.close()
                raise

    def isatty(self) -> bool:
        return self.stream is not None and self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno() if self.stream is not None else -1

    def close(self) -> None:
        """Drop what follows; the descriptor goes to the null device so that the flush at exit finds somewhere to go."""
        if self.stream is not None:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)
        self.stream = None

    def can_show(self, text: str) -> bool:
        """Whether the stream's encoding has all these characters."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


class Terminal:
    """Standard output and standard error of one invocation."""

    def __init__(self, out: Outlet, err: Outlet, *, dumb: bool = False) -> None:
        self.out = out
        self.err = err
        self.interactive = out.isatty() and not dumb
        self.interactive_errors = err.isatty() and not dumb

    def show(self, *fragments: Fragment) -> None:
        """Write one line of result."""
        self.write_line(self.out, self.console if self.interactive else None, fragments)

    def tell(self, *fragments: Fragment) -> None:
        """Write one line about what happens: to standard error, so that results stay clean."""
        self.write_line(self.err, self.error_console if self.interactive_errors else None, fragments)

    def emit(self, text: str) -> None:
        """Write a document (JSON, SVG, a script) exactly as it is."""
        self.out.write(text)
        self.out.flush()

    def emit_json(self, value: object, *, pretty: bool = True) -> None:
        """Write one JSON document and a line feed: on several lines for a person unless `pretty` is false, on one for a
        program; escaped where the stream cannot show its characters."""
        from intellyhub_engine.cli.answer import make_json

        text = make_json(value, pretty=pretty and self.interactive)
        if not self.out.can_show(text):
            import json

            text = json.dumps(json.loads(text))
        self.emit(text + "\n")

    def write_line(self, outlet: Outlet, console: Console | None, fragments: tuple[Fragment, ...]) -> None:
        parts = [part if isinstance(part, tuple) else (part, "") for part in fragments]
        if console is None:
            outlet.write(printable("".join(text for text, _ in parts)) + "\n")
            outlet.flush()
            return
        from rich.text import Text

        console.print(Text.assemble(*((printable(text), style) for text, style in parts)), soft_wrap=True)

    @cached_property
    def console(self) -> Console:
        """The rich console of standard output; only for a terminal."""
        return make_console(self.out)

    @cached_property
    def error_console(self) -> Console:
        """The rich console of standard error; only for a terminal."""
        return make_console(self.err)

    def glyph(self, wanted: str, plain: str) -> str:
        """A sign for the eye, or its ASCII stand-in where the terminal has no such character."""
        return wanted if self.out.can_show(wanted) else plain


def make_console(outlet: Outlet) -> Console:
    """A rich console without guesses about what looks like a link, a number or markup."""
    from rich.console import Console

    return Console(file=outlet, highlight=False, markup=False, emoji=False)  # type: ignore[arg-type]


def open_terminal(out: TextIO | None, err: TextIO | None, environment: Mapping[str, str]) -> Terminal:
    """The terminal of this process; `TERM=dumb` counts as a pipe. rich itself honours NO_COLOR."""
    return Terminal(Outlet(out), Outlet(err), dumb=environment.get("TERM") == "dumb")
