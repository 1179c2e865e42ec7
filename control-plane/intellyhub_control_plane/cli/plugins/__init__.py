"""`intellyhub plugins`: state types and sources that do not come with IntellyHub."""

from __future__ import annotations

import click

from intellyhub_control_plane.cli.plugins.freeze import command as freeze
from intellyhub_control_plane.cli.plugins.install import command as install
from intellyhub_control_plane.cli.plugins.listed import command as listed
from intellyhub_control_plane.cli.plugins.new import command as new
from intellyhub_control_plane.cli.plugins.search import command as search
from intellyhub_control_plane.cli.plugins.uninstall import command as uninstall
from intellyhub_control_plane.cli.plugins.update import command as update

__all__ = ["command"]


@click.group("plugins")
def command() -> None:
    """Install, list and make plugins, on a platform or in the folder `plugins` beside flows.

    \b
    Where: with --folder (or --here) in a folder; else on the platform that --url, INTELLYHUB_URL or the last login
    names; without any of them in the folder `plugins` of the current one.

    \b
    Examples:
      intellyhub plugins search telegram
      intellyhub plugins install rss-reader
      intellyhub plugins install ./intellyhub-plugins --here
      intellyhub plugins install git+https://example.org/plugins.git@v2#subdirectory=plugins/shout
      intellyhub plugins freeze > plugins.yaml
      intellyhub plugins new shout
    """


for each in (install, listed, update, uninstall, freeze, search, new):
    command.add_command(each)
