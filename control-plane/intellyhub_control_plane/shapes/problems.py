"""What went wrong: RFC 9457 problem documents."""

from __future__ import annotations

from pydantic import Field

from intellyhub_control_plane.shapes.flows import FlowProblem
from intellyhub_control_plane.shapes.shape import Shape

__all__ = ["FieldFault", "Problem"]


class FieldFault(Shape):
    """One fault of a request."""

    location: str = Field(description="Where: `body.name`, `query.limit`.")
    message: str


class Problem(Shape):
    """A fault (RFC 9457, `application/problem+json`)."""

    type: str = Field(description="Stable: `urn:intellyhub:problem:` and a code.")
    title: str
    status: int
    detail: str
    errors: list[FieldFault] | None = Field(
        default=None, description="Every fault of the request, where there are several."
    )
    problems: list[FlowProblem] | None = Field(default=None, description="The faults of a flow's text.")
