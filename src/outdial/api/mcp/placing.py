"""Calls placed for assistants, who ask twice: when an answer is lost, or out of zeal."""

from typing import Any

from outdial.api.services import Services
from outdial.calls.enqueue import create_call
from outdial.calls.idempotency import Accepted, fingerprint
from outdial.calls.request import OutboundRequest
from outdial.db.engine import reading
from outdial.numbers.views import list_numbers
from outdial.refusals import Conflict, Invalid
from outdial.workspaces.access import Principal

SAME_S = 60.0  # the same call asked for again so soon is the same call


async def place(
    services: Services, principal: Principal, number_id: str, given: dict[str, Any], idempotency_key: str
) -> Accepted:
    """`given` is the body of a request; `number_id` may be "" where only one number calls out. Without an idempotency
    key (""), the same call of the same API key within SAME_S is the one before.

    Raises ValidationError and what `create_call` raises.
    """
    request = OutboundRequest.model_validate(given)
    number_id = number_id or await _only_number(services, principal.workspace_id)
    key = f"mcp {idempotency_key}"
    same_within_s: float | None = None
    if not idempotency_key:
        # By what is meant: assistants spell a number now so, now otherwise.
        key, same_within_s = f"mcp {principal.actor.id} {fingerprint(number_id, request).hex()}", SAME_S
    return await create_call(
        services.engine,
        services.settings,
        workspace_id=principal.workspace_id,
        number_id=number_id,
        request=request,
        idempotency_key=key,
        same_within_s=same_within_s,
    )


async def _only_number(services: Services, workspace_id: str) -> str:
    async with reading(services.engine) as conn:
        numbers = await list_numbers(conn, workspace_id, public_url=services.settings.base_url)
    found = [one for one in numbers if one["outbound_url"] is not None]
    if len(found) == 1:
        return found[0]["id"]
    if not found:
        raise Conflict("no_number", "No phone number of this workspace calls out; connect one first.")
    which = "; ".join(f"{one['id']} is {one['e164']} ({one['name']})" for one in found[:20])
    raise Invalid("number_id", f"has to say which phone number calls: {which}")
