import pytest

from outdial.refusals import Denied
from outdial.workspaces.access import (
    ANYBODY,
    CHANGE_KEYS,
    EDIT,
    OPERATE,
    PLACE_CALLS,
    READ,
    READ_CALLS,
    STEER_CALLS,
    Access,
    Principal,
    Role,
    Scope,
)
from outdial.workspaces.audit import Actor, ActorKind

ALL = [ANYBODY, READ_CALLS, READ, PLACE_CALLS, STEER_CALLS, EDIT, OPERATE, CHANGE_KEYS]


def principal(grant: Role | Scope) -> Principal:
    kind = ActorKind.PERSON if isinstance(grant, Role) else ActorKind.API_KEY
    return Principal(workspace_id="ws_1", actor=Actor(kind=kind, id="x", name="X"), grant=grant)


def test_each_role_may_do_what_the_ones_below_it_may():
    assert [[role.includes(other) for other in Role] for role in Role] == [
        [True, True, True],
        [False, True, True],
        [False, False, True],
    ]


@pytest.mark.parametrize(
    ("grant", "may"),
    [
        (Role.OPERATOR, ALL),
        (Role.EDITOR, [ANYBODY, READ_CALLS, READ, PLACE_CALLS, STEER_CALLS, EDIT]),
        (Role.VIEWER, [ANYBODY, READ_CALLS, READ]),
        (Scope.OPERATOR, [ANYBODY, READ_CALLS, READ, PLACE_CALLS, STEER_CALLS, EDIT, OPERATE]),
        (Scope.PLACE_CALLS, [ANYBODY, READ_CALLS, PLACE_CALLS]),
        (Scope.READ, [ANYBODY, READ_CALLS, READ]),
    ],
)
def test_roles_and_scopes_give_access(grant: Role | Scope, may: list[Access]):
    """A role and a scope may have one name; they aren't the same."""
    assert [access for access in ALL if principal(grant).may(access)] == may
    for access in may:
        principal(grant).require(access)


@pytest.mark.parametrize(
    ("grant", "access", "code", "message"),
    [
        (Role.VIEWER, EDIT, "role_too_low", "Only editors and operators of this workspace may do this; your role is "
         "viewer."),
        (Role.EDITOR, OPERATE, "role_too_low", "Only operators of this workspace may do this; your role is editor."),
        (Scope.READ, PLACE_CALLS, "scope_too_small", "This takes an API key with the scope place_calls or operator; "
         "this key has the scope read."),
        (Scope.PLACE_CALLS, EDIT, "scope_too_small", "This takes an API key with the scope operator; this key has the "
         "scope place_calls."),
        (Scope.OPERATOR, CHANGE_KEYS, "people_only", CHANGE_KEYS.people_only),
        (Scope.READ, CHANGE_KEYS, "people_only", CHANGE_KEYS.people_only),
    ],
)  # fmt: skip
def test_a_refusal_says_who_may(grant, access, code, message):
    with pytest.raises(Denied) as refused:
        principal(grant).require(access)
    assert (refused.value.code, refused.value.message) == (code, message)
