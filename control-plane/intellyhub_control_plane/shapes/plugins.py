"""Plugins: what is installed, what there is, what one asks for."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from intellyhub_control_plane.plugins.installation import InstallationState
from intellyhub_control_plane.shapes.flows import FlowUpdated
from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, PageQuery, Request, Shape, Text

__all__ = [
    "InspectPlugin",
    "InstallForFlow",
    "InstallPlugin",
    "InstallationPath",
    "InstalledForFlow",
    "Plugin",
    "PluginDetail",
    "PluginInstallation",
    "PluginList",
    "PluginPath",
    "PluginPreview",
    "PluginPreviewList",
    "PluginQuery",
    "Preference",
    "RemoveQuery",
    "SecretNeed",
    "ServiceNeed",
    "SyncRepository",
    "SyncedRepositories",
    "SyncedRepository",
]

MOST_ARCHIVE_CHARACTERS = 15_000_000
Source = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=1000,
        description="A name, `intellyhub-plugin-NAME`, or `git+https://host/repository@reference#subdirectory=PATH`; "
        "`{NAME}` in an address stands for a secret.",
    ),
]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Of the plugin's files.")]
Key = Annotated[Text, Field(max_length=100, description="A minisign public key: `RW...`.")]
Line = Annotated[Text, Field(min_length=1, max_length=300)]
Lines = Annotated[list[Line], Field(max_length=500)]
Name = Annotated[Text, Field(min_length=1, max_length=100)]


class SecretNeed(Answer):
    """A value that must be set as a secret or variable."""

    name: str
    description: str


class ServiceNeed(Answer):
    """A service that the plugin uses."""

    type: str
    required: bool
    min_version: str | None
    prefer: str | None
    fallback: list[str]
    connection_vars: dict[str, str]
    health_check: dict[str, Any] | None


class Asked(Answer):
    """What a plugin asks for."""

    hosts: list[str] | None = Field(description="Which hosts it talks to; null: it does not say, so it may be any.")
    secrets: list[SecretNeed]
    requirements: list[str] = Field(description="Packages that are installed for it.")
    undeclared: list[str] = Field(description="Those of them that its code imports and its manifest leaves out.")
    left_out: list[str] = Field(
        description="Requirements that are not installed: modules of Python itself, and what its code can do without."
    )
    optional_requirements: list[str]
    services: list[ServiceNeed]


class PluginPreview(Asked):
    """A plugin before it is installed."""

    name: str
    version: str
    description: str
    author: str
    license: str
    kind: str = Field(description="state or listener: the first of what it offers.")
    state_types: list[str]
    listener_types: list[str]
    digest: str
    source: str
    revision: str = Field(description="The commit, or the package's version.")
    signed: bool = Field(description="Whether it carries a signature; that it is valid is checked against a key.")
    key: str | None = Field(description="Who must have signed it, as its repository says.")
    installed_version: str | None


class PluginPreviewList(Page):
    """What a source holds."""

    items: list[PluginPreview]
    plugins: list[PluginPreview]


class Plugin(Answer):
    """A plugin that is installed, or that a known repository offers."""

    name: str
    version: str
    description: str
    author: str
    license: str
    kind: str
    state_types: list[str]
    listener_types: list[str]
    installed: bool
    digest: str
    source: str
    revision: str
    requirements: list[str]
    layer: str | None = Field(description="What its packages are installed under.")
    signed: bool = Field(description="Whether a trusted key's signature is asked for, and was found valid.")
    installed_at: Moment | None
    available_version: str | None = Field(description="What a known repository offers.")
    fault: str | None = Field(description="Why it cannot be used; null where it can.")
    icon_url: str


class PluginDetail(Plugin):
    """An installed plugin in full."""

    needs: Asked | None = Field(description="Null where its manifest cannot be read.")
    flows: list[str] = Field(description="The slugs of the flows that use it.")
    frozen: dict[str, Any] = Field(description="Its entry for a plugins.yaml: pinned to its files and packages.")


class PluginList(Page):
    """Plugins, by name."""

    items: list[Plugin]
    plugins: list[Plugin]


class PluginQuery(PageQuery):
    """Which plugins."""

    q: Annotated[Text, Field(max_length=120)] = Field(default="", description="Words of names, types, descriptions.")
    installed: bool | None = Field(default=None, description="Only those that are, or are not, installed.")


class PluginPath(Request):
    """Which plugin."""

    plugin: Name


class RemoveQuery(Request):
    """How to remove it."""

    force: bool = Field(default=False, description="Also where flows use it; they fail from then on.")


class InspectPlugin(Request):
    """What to look at. Nothing is installed."""

    source: Source
    all: bool = Field(default=False, description="Every plugin of a repository.")


class Permissions(Request):
    """What whoever installs allows."""

    builds: bool = Field(
        default=False, description="Packages may be built from source, which runs their code behind walls."
    )


class InstallPlugin(Permissions):
    """What to install: a `source`, or an `archive` of a folder's files."""

    source: Source | None = None
    archive: Annotated[str | None, Field(max_length=MOST_ARCHIVE_CHARACTERS, description="A ZIP archive, base64.")] = (
        None
    )
    folder: Annotated[Text, Field(max_length=100, description="What the archive's folder is called.")] = "plugin"
    name: Name | None = Field(default=None, description="Which one, where the source holds several.")
    digest: Digest | None = Field(default=None, description="What was looked at: anything else is refused.")
    key: Key | None = None
    without: Lines = Field(default_factory=list, description="Requirements to be left out, by name.")
    constraints: Lines = Field(default_factory=list, description="Bounds for packages, such as `langchain<0.4`.")
    lock: Lines = Field(default_factory=list, description="`name==version --hash=sha256:...` of every package.")


class Preference(Shape):
    """Whether to wait (RFC 7240)."""

    prefer: Annotated[
        str | None, Field(alias="Prefer", max_length=200, description="`respond-async`: answer at once.")
    ] = None

    @property
    def is_async(self) -> bool:
        """Whether the client wants an answer at once."""
        return "respond-async" in (each.strip().lower() for each in re.split("[,;]", self.prefer or ""))


class InstallationPath(Request):
    """Which installation."""

    installation_id: Name


class InstallationStep(Answer):
    """One thing that was done."""

    at: Moment
    text: str


class PluginInstallation(Answer):
    """An installation, as far as it has come."""

    id: str
    what: str = Field(description="As it was asked for.")
    state: InstallationState
    steps: list[InstallationStep]
    plugin: str | None = Field(description="What is installed now.")
    fault: str | None = Field(description="Why it failed.")


class SyncRepository(Request):
    """A repository to know from now on; without `url`, all that are known are looked at again."""

    url: Source | None = None
    key: Key | None = None


class SyncedRepository(Answer):
    """A repository, as it was found."""

    url: str
    plugins: int
    synced_at: Moment | None
    fault: str | None = Field(description="Why it could not be fetched; what it offered before still counts.")


class SyncedRepositories(Answer):
    """What all known repositories offer."""

    synced: int = Field(description="Plugins that are known now.")
    repositories: list[SyncedRepository]


class InstallForFlow(Permissions):
    """Plugins for a flow; without `plugins`, what it misses and known repositories offer."""

    plugins: Annotated[list[Source], Field(max_length=50)] = Field(default_factory=list)


class InstalledForFlow(Answer):
    """What was installed for a flow."""

    installed: list[Plugin]
    missing: list[str] = Field(description="Types that the flow names and no known plugin brings.")
    flow: FlowUpdated
