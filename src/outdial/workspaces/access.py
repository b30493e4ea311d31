"""What somebody may do in a workspace: a person by their role, a program by the scope of its API key.

Pure. Whatever is done for somebody, by HTTP or in another way, takes an `Access`, and `Principal.require` asks for it.
Which endpoint takes which: api/access_table.py.
"""

from dataclasses import dataclass
from enum import StrEnum

from outdial.refusals import Denied
from outdial.workspaces.audit import Actor


class Role(StrEnum):
    """Of a person. Each may do what the ones after it may."""

    OPERATOR = "operator"  # everything: carriers, credentials, API keys, the plan, members
    EDITOR = "editor"      # place and steer calls; write agents; say which one answers; keep the do-not-call list
    VIEWER = "viewer"      # look and listen

    def includes(self, other: "Role") -> bool:
        return _RANK[self] >= _RANK[other]


_RANK = {role: rank for rank, role in enumerate(reversed(Role))}


class Scope(StrEnum):
    """Of an API key, which has one. No order: whoever places calls needn't see the whole workspace."""

    OPERATOR = "operator"        # everything but what is for people only
    PLACE_CALLS = "place_calls"  # place calls, end them; look at the workspace's calls, listen to them, follow them
    READ = "read"                # look and listen, at everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may do something: people from a role up, and keys of these scopes. Without a scope no key may, and
    `people_only` says so, and where people do it."""

    role: Role
    scopes: frozenset[Scope] = frozenset()
    people_only: str = ""


ANYBODY = Access(role=Role.VIEWER, scopes=frozenset(Scope))
READ_CALLS = Access(role=Role.VIEWER, scopes=frozenset(Scope))
READ = Access(role=Role.VIEWER, scopes=frozenset({Scope.OPERATOR, Scope.READ}))
PLACE_CALLS = Access(role=Role.EDITOR, scopes=frozenset({Scope.OPERATOR, Scope.PLACE_CALLS}))
STEER_CALLS = Access(role=Role.EDITOR, scopes=frozenset({Scope.OPERATOR}))
STOP_CALLS = Access(role=Role.EDITOR, scopes=frozenset({Scope.OPERATOR}))
EDIT = Access(role=Role.EDITOR, scopes=frozenset({Scope.OPERATOR}))
OPERATE = Access(role=Role.OPERATOR, scopes=frozenset({Scope.OPERATOR}))


def people_only(role: Role, why_and_where: str) -> Access:
    """Whoever has got hold of a key must not be able to do it. `why_and_where`: a sentence or two for who tries."""
    return Access(role=role, people_only=why_and_where)


CHANGE_LINES = people_only(
    Role.OPERATOR,
    "Plan and lines are changed by people only, never by an API key: on the page Settings, Plan and lines, or with the "
    "command outdial workspaces change.",
)
CHANGE_REACH = people_only(
    Role.OPERATOR,
    "Destinations and the daily limit are changed by people only, never by an API key: on the page Settings, "
    "Destinations, or with the commands outdial destinations and outdial workspaces change --daily-limit.",
)
CHANGE_SPENDING = people_only(
    Role.OPERATOR,
    "The spend limit is changed by people only, never by an API key: on the page Settings, Plan and lines, or with the "
    "command outdial workspaces change --spend-limit.",
)
CHANGE_RETENTION = people_only(
    Role.OPERATOR,
    "How long calls are kept is changed by people only, never by an API key: on the page Settings, Privacy, or with "
    "the command outdial retention set.",
)
DRAIN_WORKERS = people_only(
    Role.OPERATOR,
    "Processes are drained by people only, never by an API key: on the page Settings, Workers, or with the command "
    "outdial workers drain.",
)
CHANGE_KEYS = people_only(
    Role.OPERATOR,
    "API keys are made, changed and revoked by people only, never by an API key: on the page Settings, API keys, or "
    "with the command outdial keys.",
)
CHANGE_MEMBERS = people_only(
    Role.OPERATOR,
    "Members are invited, changed and removed by people only, never by an API key: on the page Settings, Members, or "
    "with the command outdial members.",
)
LISTEN_IN = people_only(
    Role.EDITOR,
    "People listen to live calls, never an API key: on the call's page. A program gets a call's words by following its "
    "events, and its recording afterwards.",
)
CHANGE_LISTENING = people_only(
    Role.OPERATOR,
    "Whether callees are told that people may listen is changed by people only, never by an API key: on the page "
    "Settings, Listening in.",
)
ALLOW_AGAIN = people_only(
    Role.EDITOR,
    "An API key can add numbers to the do-not-call list, but not take them off: somebody asked for this. A person can, "
    "on the page Do not call or with the command outdial do-not-call remove.",
)
OWN_ACCOUNT = people_only(
    Role.VIEWER,
    "An API key has no sign-ins, no password and one workspace. People change theirs on the page Settings, My account.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, in which workspace, and how much they may do there: a person by their role, a key by its scope."""

    workspace_id: str
    actor: Actor
    grant: Role | Scope

    def may(self, access: Access) -> bool:
        if isinstance(self.grant, Scope):
            return self.grant in access.scopes
        return self.grant.includes(access.role)

    def require(self, access: Access) -> None:
        """Raises Denied, which says who may."""
        if self.may(access):
            return
        if isinstance(self.grant, Role):
            who = "Only operators" if access.role is Role.OPERATOR else "Only editors and operators"
            raise Denied("role_too_low", f"{who} of this workspace may do this; your role is {self.grant}.")
        if not access.scopes:
            raise Denied("people_only", access.people_only)
        raise Denied("scope_too_small", f"{needed_scope(access)}; this key has the scope {self.grant}.")


def needed_scope(access: Access) -> str:
    """The scopes that do, the smallest first: "This takes an API key with the scope place_calls or operator"."""
    enough = (scope for scope in reversed(Scope) if scope in access.scopes)
    return f"This takes an API key with the scope {' or '.join(enough)}"
