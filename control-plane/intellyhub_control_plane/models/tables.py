"""Every table, so that migrations see them all."""

from __future__ import annotations

from intellyhub_control_plane.models.attempts import Attempt
from intellyhub_control_plane.models.audit import AuditEntry
from intellyhub_control_plane.models.builds import Build, BuildLine, BuildStage
from intellyhub_control_plane.models.desired import ClusterStatus, DesiredRecord
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.idempotency import KeptAnswer
from intellyhub_control_plane.models.installations import PluginInstallationLog
from intellyhub_control_plane.models.people import Membership, Tenant, User
from intellyhub_control_plane.models.plugins import PluginRepository
from intellyhub_control_plane.models.record import Record
from intellyhub_control_plane.models.repositories import FlowRepository, RepositoryPull
from intellyhub_control_plane.models.services import Service, ServiceCheck
from intellyhub_control_plane.models.settings import Secret, Variable
from intellyhub_control_plane.models.tokens import ApiToken

__all__ = ["METADATA", "TABLES"]

TABLES = (
    *(User, Tenant, Membership, ApiToken, Flow, FlowVersion, Variable, Secret, AuditEntry, Attempt, KeptAnswer),
    *(PluginRepository, Service, ServiceCheck, DesiredRecord, ClusterStatus),
    *(Build, BuildStage, BuildLine, FlowRepository, RepositoryPull, PluginInstallationLog),
)
METADATA = Record.metadata
