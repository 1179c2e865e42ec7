"""`intellyhub plugins install`: look at what a plugin needs, then put it in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intellyhub_control_plane.cli.plugins.shelf import Found, Shelf, choose_shelf, place_options, tell_step
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.options import json_option
from intellyhub_engine.cli.session import Session, debug_option, pass_session
from intellyhub_engine.errors import EngineError, InputInvalid

if TYPE_CHECKING:
    from intellyhub_control_plane.plugins.store import Choices
    from intellyhub_control_plane.plugins.wanted import WantedPlugin

__all__ = ["command"]


@click.command("install")
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--all", "all_of_them", is_flag=True, help="Take every plugin that a repository holds.")
@click.option("--digest", metavar="SHA256", help="What the plugin's files must be: sha256:...")
@click.option("--key", metavar="KEY", help="The minisign public key that must have signed the plugin.")
@click.option("--without", metavar="NAME", multiple=True, help="Leave a requirement out (repeat it).")
@click.option("--constraint", "constraints", metavar="SPEC", multiple=True, help="Bound a package: 'langchain<0.4'.")
@click.option(
    "--allow-builds", "builds", is_flag=True, help="Requirements may be built from source, which runs their code."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option
@place_options
@debug_option
@pass_session
def command(
    session: Session,
    sources: tuple[str, ...],
    all_of_them: bool,
    digest: str | None,
    key: str | None,
    without: tuple[str, ...],
    constraints: tuple[str, ...],
    builds: bool,
    yes: bool,
    as_json: bool,
    folder: Path | None,
    here: bool,
    url: str | None,
    token: str | None,
) -> int:
    """Install plugins: names, folders, git repositories, packages. Without SOURCE, what plugins.yaml lists.

    What each one needs (hosts, secrets, packages, services) is shown first. A folder with many plugins is taken whole.

    \b
    Examples:
      intellyhub plugins install rss-reader
      intellyhub plugins install 'intellyhub-plugin-shout>=1.2'
      intellyhub plugins install git+https://example.org/plugins.git --all --yes
      intellyhub plugins install ./my-plugin --digest sha256:... --here
    """
    from intellyhub_control_plane.plugins.store import Choices

    shelf = choose_shelf(folder, here, url, token, tell_step(session))
    choices = Choices(digest=digest, key=key, builds=builds, without=without, constraints=constraints)
    found = list(look_up(shelf, sources, choices, all_of_them=all_of_them))
    if digest is not None and len(found) > 1:
        raise InputInvalid("--digest is for one plugin; put the digests of several into plugins.yaml")
    if not may_install(session, shelf, found, yes=yes, quiet=as_json):
        session.terminal.show("nothing was installed")
        return Exit.CANCELLED
    attempt = put if len(found) == 1 else try_to_put
    installed = list(filter(None, (attempt(session, shelf, each, chosen, quiet=as_json) for each, chosen in found)))
    if as_json:
        session.terminal.emit_json(installed)
    return Exit.SUCCEEDED if len(installed) == len(found) else Exit.FAILED


def look_up(
    shelf: Shelf, sources: Sequence[str], choices: Choices, *, all_of_them: bool
) -> Iterator[tuple[Found, Choices]]:
    """What is to be installed, each with what was chosen for it."""
    from intellyhub_control_plane.plugins.wanted import FILE, read_wanted

    path = Path(FILE)
    wanted = read_wanted(path.read_text("utf-8")) if path.is_file() else None
    if wanted is not None and wanted.repositories:
        shelf.add_repositories(wanted.repositories)
    for source in sources:
        for found in shelf.look(source, all_of_them=all_of_them):
            yield found, replace(choices, key=choices.key or found.key)
    if sources:
        return
    if wanted is None:
        raise InputInvalid(f"name a plugin to install, or write a {FILE} that lists some")
    for entry in wanted.plugins:
        yield look_up_pinned(shelf, entry, choices)


def look_up_pinned(shelf: Shelf, entry: WantedPlugin, choices: Choices) -> tuple[Found, Choices]:
    """An entry of plugins.yaml, whose own choices count."""
    from intellyhub_control_plane.plugins.repositories import satisfies

    found = shelf.look(str(entry.origin), all_of_them=False)
    if len(found) != 1:
        raise InputInvalid(f"{entry.origin} holds {len(found)} plugins; an entry of plugins.yaml is for one")
    if not satisfies(found[0].facts["version"], entry.bounds):
        name, version = found[0].facts["name"], found[0].facts["version"]
        raise InputInvalid(f"{name} has version {version}, and plugins.yaml asks for {entry.bounds}")
    key = entry.choices.key or found[0].key
    return found[0], replace(entry.choices, key=key, builds=entry.choices.builds or choices.builds)


def may_install(
    session: Session, shelf: Shelf, found: Sequence[tuple[Found, Choices]], *, yes: bool, quiet: bool
) -> bool:
    """Show what is needed, and ask. What is pinned by its digest has been looked at before."""
    unseen = [each for each, chosen in found if chosen.digest is None]
    for each in unseen if not quiet else ():
        for line in needs_lines(each.facts):
            session.terminal.tell(line)
    if yes or not unseen:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputInvalid("nobody is there to be asked: look at what is needed, then add --yes")
    names = ", ".join(each.facts["name"] for each in unseen)
    return click.confirm(f"Install {names} {shelf.place}?", err=True)


def needs_lines(facts: dict[str, Any]) -> Iterator[str]:
    """What a person should know before installing."""
    before = f" (installed: {facts['installed_version']})" if facts.get("installed_version") else ""
    yield f"{facts['name']} {facts['version']}{before}: {facts['description']}"
    types = (*facts["state_types"], *(f"{kind} (listener)" for kind in facts["listener_types"]))
    yield f"  offers       {', '.join(types)}"
    hosts = facts["hosts"]
    yield f"  hosts        {'any: it does not say which' if hosts is None else ', '.join(hosts) or 'none'}"
    for secret in facts["secrets"]:
        yield f"  secret       {': '.join(filter(None, (secret['name'], secret['description'])))}"
    for requirement in facts["requirements"]:
        undeclared = "  (imported, but not declared)" if requirement in facts["undeclared"] else ""
        yield f"  package      {requirement}{undeclared}"
    for requirement in facts["left_out"]:
        yield f"  left out     {requirement}"
    for service in facts["services"]:
        yield f"  service      {service['type']}{'' if service['required'] else ' (optional)'}"
    yield f"  from         {facts['source']} {facts['revision'][:12]}".rstrip()
    yield f"  digest       {facts['digest']}{', signed' if facts['signed'] else ', not signed'}"


def try_to_put(session: Session, shelf: Shelf, found: Found, choices: Choices, *, quiet: bool) -> dict[str, Any] | None:
    """Install one of several; None where that failed, which keeps no other from it."""
    try:
        return put(session, shelf, found, choices, quiet=quiet)
    except EngineError as fault:
        session.terminal.tell((f"{found.facts['name']}: ", "bold red"), str(fault))
        return None


def put(session: Session, shelf: Shelf, found: Found, choices: Choices, *, quiet: bool) -> dict[str, Any]:
    """Install one, and say so."""
    installed = shelf.install(found, choices)
    if not quiet:
        session.terminal.show(f"{installed['name']} {installed['version']} is installed {shelf.place}")
    return installed
