"""State types that published documents name and nobody published: known by name, not performed.

A flow that uses one is read and checked with a warning; running it says what is missing (FLOW_LANGUAGE.md section 4).
"""

from __future__ import annotations

from intellyhub_engine.catalogue.manifest import StateType
from intellyhub_engine.frozen import dataclass

__all__ = ["PUBLISHED", "Published", "make_published"]


@dataclass(frozen=True)
class Published:
    """What is known of such a type."""

    description: str
    aliases: tuple[str, ...] = ()


NAMED_ONLY = (
    "anthropic-completion collect context-manager custom-analysis custom-formatting custom-validation"
    " deployment document-parser generate log-analyzer notification ollama-completion openai-completion"
    " saga-step search session-manager"
)
"""Types that published documents use in examples, and nobody published an implementation of (section 4)."""

PUBLISHED = {name: Published("Named in published examples; never published itself.") for name in NAMED_ONLY.split()}


def make_published(name: str, row: Published) -> StateType:
    """Make the state type that stands for a name."""
    return StateType(type=name, aliases=row.aliases, description=row.description, open_parameters=True, installed=False)
