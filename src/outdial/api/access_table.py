"""Which endpoint takes which access. What isn't entered here nobody may use."""

from collections.abc import Mapping

from fastapi.routing import APIRoute

from outdial.workspaces.access import (
    ALLOW_AGAIN,
    ANYBODY,
    CHANGE_KEYS,
    CHANGE_LINES,
    CHANGE_MEMBERS,
    CHANGE_REACH,
    EDIT,
    OPERATE,
    OWN_ACCOUNT,
    PLACE_CALLS,
    READ,
    READ_CALLS,
    STEER_CALLS,
    STOP_CALLS,
    Access,
)

OPEN = frozenset({"GET /healthz", "GET /readyz"})  # to strangers, too

ACCESS: Mapping[str, Access] = {
    "POST /v1/phone-number/{number_id}/outbound": PLACE_CALLS,
    "POST /v1alpha1/phone-number/{number_id}/outbound": PLACE_CALLS,
    "POST /v1/calls/{call_id}/hang-up": PLACE_CALLS,
    "GET /v1/calls": READ_CALLS,
    "GET /v1/calls.csv": READ_CALLS,
    "GET /v1/calls/{call_id}": READ_CALLS,
    "GET /v1/calls/{call_id}/callbacks": READ_CALLS,
    "GET /v1/calls/{call_id}/events": READ_CALLS,
    "GET /v1/calls/{call_id}/recording": READ_CALLS,
    "GET /v1/calls/{call_id}/recording/waveform": READ_CALLS,
    "POST /v1/calls/{call_id}/digits": STEER_CALLS,
    "POST /v1/calls/{call_id}/say": STEER_CALLS,
    "POST /v1/calls/{call_id}/transfer": STEER_CALLS,
    "PATCH /v1/calls/{call_id}/variables": STEER_CALLS,
    # A key resumes only what keys have paused: policy/pauses.py.
    "POST /v1/workspace/pause": STOP_CALLS,
    "POST /v1/workspace/resume": STOP_CALLS,
    "POST /v1/calls/cancel-waiting": STOP_CALLS,
    "POST /v1/phone-numbers/{number_id}/pause": STOP_CALLS,
    "POST /v1/phone-numbers/{number_id}/resume": STOP_CALLS,
    "POST /v1/phone-numbers/{number_id}/calls/cancel-waiting": STOP_CALLS,
    "GET /v1/overview": READ,
    "GET /v1/destinations": READ,
    "POST /v1/destinations": CHANGE_REACH,
    "DELETE /v1/destinations/{destination}": CHANGE_REACH,
    "GET /v1/daily-limit": READ,
    "PUT /v1/daily-limit": CHANGE_REACH,
    "GET /v1/do-not-call": READ,
    "GET /v1/do-not-call.csv": READ,
    "POST /v1/do-not-call": EDIT,
    "POST /v1/do-not-call/import": EDIT,
    "DELETE /v1/do-not-call/{number}": ALLOW_AGAIN,
    "GET /v1/phone-numbers": READ,
    "GET /v1/phone-numbers/{number_id}": READ,
    "POST /v1/phone-numbers": OPERATE,
    "POST /v1/phone-numbers/check": OPERATE,
    "POST /v1/phone-numbers/owned": OPERATE,
    "PATCH /v1/phone-numbers/{number_id}": EDIT,
    "DELETE /v1/phone-numbers/{number_id}": OPERATE,
    "GET /v1/carrier-accounts": READ,
    "GET /v1/carrier-accounts/{account_id}": READ,
    "PATCH /v1/carrier-accounts/{account_id}": OPERATE,
    "GET /v1/agents": READ,
    "GET /v1/agents/examples": READ,
    "GET /v1/agents/{agent_id}": READ,
    "GET /v1/agents/{agent_id}/versions/{version}": READ,
    "POST /v1/agents/check": READ,    # nothing is changed by these four
    "POST /v1/agents/preview": READ,
    "POST /v1/agents/rehearse": READ,
    "POST /v1/agents/talk": READ,
    "POST /v1/agents": EDIT,
    "PATCH /v1/agents/{agent_id}": EDIT,
    "POST /v1/agents/{agent_id}/versions": EDIT,
    "POST /v1/agents/{agent_id}/publish": EDIT,
    "GET /v1/workspace": READ,
    "PATCH /v1/workspace": CHANGE_LINES,
    "GET /v1/members": READ,
    "POST /v1/members": CHANGE_MEMBERS,
    "PATCH /v1/members/{person_id}": CHANGE_MEMBERS,
    "DELETE /v1/members/{person_id}": CHANGE_MEMBERS,
    "POST /v1/members/{person_id}/link": CHANGE_MEMBERS,
    "GET /v1/api-keys": READ,
    "POST /v1/api-keys": CHANGE_KEYS,
    "PATCH /v1/api-keys/{key_id}": CHANGE_KEYS,
    "DELETE /v1/api-keys/{key_id}": CHANGE_KEYS,
    "GET /v1/audit-log": READ,
    "GET /v1/me": ANYBODY,
    "PATCH /v1/me": OWN_ACCOUNT,
    "GET /v1/me/sign-ins": OWN_ACCOUNT,
    "DELETE /v1/me/sign-ins": OWN_ACCOUNT,
    "DELETE /v1/me/sign-ins/{sign_in_id}": OWN_ACCOUNT,
    "POST /v1/me/password": OWN_ACCOUNT,
    "POST /v1/me/workspace": OWN_ACCOUNT,
}


def access_of(route: APIRoute) -> Access | None:
    """What a route takes, by its (one) method and its path; None where that isn't settled."""
    (method,) = (route.methods or set()) - {"HEAD"}
    return ACCESS.get(f"{method} {route.path_format}")
