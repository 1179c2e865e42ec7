"""Values as a shell sees them: bound in front of a script, and exported to its environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.functions import to_json
from intellyhub_engine.language.values.records import TextRecord
from intellyhub_engine.language.values.values import text_of

if TYPE_CHECKING:
    from intellyhub_engine.language.values.scope import Scope

__all__ = ["Unresolved", "bind", "bind_checked", "environment", "evaluates", "number", "script"]

_MAX_ENTRY = 100_000
"""Bytes of one exported value; Linux refuses to start a program with one above 128 KiB."""
_MAX_ENVIRONMENT = 1_000_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?\d{1,18}")
_SHEBANG = re.compile(r"#![^\n]*(?:\n|\Z)")

_BOUND = re.compile(r"""(?:_value_\d+='[^']*'(?:"'"'[^']*')*[ \n])*""")
"""What `script` puts in front: data, in which nothing is mentioned."""

_EVALUATING = re.compile(
    r"""(?x)
    \(\( | \$\[ | \[\[ | [\w}]\[ | \$\{ [!\w@*]+ [:[] | \s-[vRt]\s
    | \b(?: let | declare | typeset | local | readonly | read | readarray | mapfile | unset | getopts | wait )\b
    | \bprintf \s+ -v
    """
)
"""Where a shell calculates, or takes a text for the name of a variable: both evaluate the subscript in it."""
_SUBSCRIPT = re.compile(r"\w\[[\s\S]*[$`]")
"""A text that runs a command where it is evaluated: `a[$(command)]`."""
_EXPANSION = re.compile(r"[$`\\]")

_RESERVED = re.compile(
    r"""(?x)
    (?: LD | DYLD | MALLOC | GLIBC | GCONV | GIT | SSH | SSL | CURL | WGET | DOCKER | KUBE | NPM | NODE | LC | JAVA
      | CARGO | XDG | GTK | QT | GCC | GO | INTELLYHUB )_ .*
    | (?: BASH | PYTHON | PERL | RUBY | TERMINFO | LESS ) .*
    | .* (?: PATH | OPT | OPTS | OPTIONS | FLAGS )
    | .* _ (?: proxy | PROXY )
    | _ | CC | CXX | CDPATH | DISPLAY | EDITOR | EGID | ENV | EUID | FCEDIT | FPATH | GID | GLOBIGNORE | HISTFILE | HOME
    | HOSTALIASES | IFS | KUBECONFIG | LANG | LANGUAGE | LOCALDOMAIN | LOGNAME | MAIL | MAILCHECK | MANPAGER | OLDPWD
    | OPTARG | OPTIND | PAGER | POSIXLY_CORRECT | PPID | PROMPT_COMMAND | PS[0-4] | PWD | RES_OPTIONS | BROWSER | SHELL
    | SHLVL | TEMP | TERM | TMP | TMPDIR | TZ | TZDIR | UID | USER | VISUAL
    """
)
"""Names that shells, loaders, interpreters and common tools obey; an event must not choose their values."""


class Unresolved(str):
    """A placeholder as written; it stays in the script as it is."""

    __slots__ = ()


def bind(bound: dict[str, str], name: str, form: str, value: Any) -> str:
    """Bind a shell variable to the value's text; answers how the script expands it."""
    if isinstance(value, Unresolved):
        return value
    bound[name] = "'" + _text(value).replace("'", "'\"'\"'") + "'"
    return form


def bind_checked(bound: dict[str, str], name: str, form: str, value: Any, within_subscript: bool) -> str:
    """`bind` in a script that `evaluates`. Raises `EvaluationFailed` for a value that bash could run there: quotes do
    not help, because it evaluates what it has expanded."""
    if not isinstance(value, Unresolved):
        refuse_evaluated(_text(value), within_subscript=within_subscript)
    return bind(bound, name, form, value)


def refuse_evaluated(text: str, *, within_subscript: bool) -> None:
    if _SUBSCRIPT.search(text) or (within_subscript and _EXPANSION.search(text)):
        raise EvaluationFailed(
            f"{text[:40]!r} stands in a script that calculates or uses arrays, where bash would run it as a command"
        )


def evaluates(text: str) -> bool:
    """Whether a script has something that evaluates a value it has expanded."""
    return _EVALUATING.search(text) is not None


def number(value: Any, enclosed: bool) -> str:
    """The value where a shell calculates: an integer, a negative one `enclosed` in parentheses where that is asked.
    Raises `EvaluationFailed` for everything else, because bash would run `a[$(command)]`."""
    if isinstance(value, Unresolved):
        return value
    text = _text(value).strip()
    if not _NUMBER.fullmatch(text):
        raise EvaluationFailed(f"{text[:40]!r} stands where the shell calculates, and is no integer")
    return f"({int(text)})" if enclosed and text.startswith("-") else str(int(text))


def script(text: str, bound: dict[str, str]) -> str:
    """The script with its values bound in front of it."""
    if not bound:
        return text
    begin = _begin(text)
    return text[:begin] + " ".join(f"{name}={value}" for name, value in bound.items()) + "\n" + text[begin:]


def _begin(text: str) -> int:
    """Where the commands of a script begin."""
    shebang = _SHEBANG.match(text)
    return shebang.end() if shebang else 0


def environment(scope: Scope, script: str = "") -> dict[str, str]:
    """The run's scalar variables for the environment of a script, so that `$name` works in it (section 4.1).

    Left out are names that shells, loaders and tools obey, values that are too long for an environment, and names in
    capitals that the script does not mention: senders of events choose names too. Names of `scope.outer` are added
    where the script mentions them as `$NAME`.
    A value that bash would run where it calculates is left out as well, in a script that does.
    """
    bound = _BOUND.match(script, _begin(script))
    script = script[bound.end() if bound else 0 :]
    words = set(_NAME.findall(script))
    entries = {name: value for name, value in scope.items() if not name.isupper() or name in words}
    for name in set(re.findall(r"\$\{?([A-Za-z_]\w*)", script, re.ASCII)) - set(entries):
        if name in scope:
            entries[name] = scope[name]
    exported: dict[str, str] = {}
    room = _MAX_ENVIRONMENT
    checked = evaluates(script)
    for name, value in entries.items():
        text = _exported(name, value)
        if text is not None and checked and _SUBSCRIPT.search(text):
            continue  # `$((name))` would run it, and so would a name that leads to it
        if text is not None and (size := len(text.encode())) <= min(_MAX_ENTRY, room):
            room -= size + len(name)
            exported[name] = text
    return exported


def _exported(name: Any, value: Any) -> str | None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        return None
    if not isinstance(value, (str, int, float, bool, TextRecord)):
        return None
    try:
        return _text(value)
    except EvaluationFailed:
        return None


def _text(value: Any) -> str:
    """The value's text; lists and records as JSON."""
    is_container = isinstance(value, (dict, list, tuple)) and not isinstance(value, TextRecord)
    text = to_json(value) if is_container else text_of(value)
    if "\0" in text:
        raise EvaluationFailed("a value with a NUL character cannot be given to a shell")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise EvaluationFailed("a value with half a character (a lone surrogate) cannot be given to a shell") from error
    return text
