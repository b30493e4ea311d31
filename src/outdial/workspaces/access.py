"""What somebody may do in a workspace."""

from dataclasses import dataclass
from enum import StrEnum

from outdial.workspaces.audit import Actor


class Role(StrEnum):
    """Each may do what the ones after it may."""

    OPERATOR = "operator"  # everything: carriers, credentials, API keys, the plan, members
    EDITOR = "editor"      # place and steer calls; write agents; say which one answers; keep the do-not-call list
    VIEWER = "viewer"      # look and listen

    def includes(self, other: "Role") -> bool:
        return _RANK[self] >= _RANK[other]


_RANK = {role: rank for rank, role in enumerate(reversed(Role))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, in which workspace, and how much they may do there. API keys are operators."""

    workspace_id: str
    actor: Actor
    role: Role
