"""Values as a shell sees them: bound in front of a script, and exported to its environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.functions import to_json
from intellyhub_engine.language.records import TextRecord
from intellyhub_engine.language.values import text_of

if TYPE_CHECKING:
    from intellyhub_engine.language.scope import Scope

__all__ = ["Unresolved", "bind", "environment", "number", "script"]

_MAX_ENTRY = 100_000
"""Bytes of one exported value; Linux refuses to start a program with one above 128 KiB."""
_MAX_ENVIRONMENT = 1_000_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?\d{1,18}")
_SHEBANG = re.compile(r"#![^\n]*(?:\n|\Z)")

_BOUND = re.compile(r"""(?:_value_\d+='[^']*'(?:"'"'[^']*')*[ \n])*""")
"""What `script` puts in front: data, in which nothing is mentioned."""

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
    for name, value in entries.items():
        text = _exported(name, value)
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
