"""What the carrier told about a call, as it is shown."""

import pytest
from sqlalchemy import insert

from outdial.db.tables import callbacks
from outdial.history.callback_log import list_callbacks, shortened
from outdial.refusals import NotFound


async def listed(workspace, call_id, workspace_id=None):
    async with workspace.engine.connect() as conn:
        return await list_callbacks(conn, workspace_id or workspace.id, call_id)


async def test_callbacks_are_shown_in_the_order_they_came(workspace):
    claim, other = await workspace.dialed(), await workspace.dialed()
    kept = {"kind": "status", "headers": {"x-token": "t" * 30}}
    rows = [
        kept | {"attempt_id": each.attempt_id, "dedupe_key": key, "body": key}
        for each, key in ((claim, "b"), (other, "x"), (claim, "a"))
    ]
    async with workspace.engine.begin() as conn:
        await conn.execute(insert(callbacks), rows)
    first, second = await listed(workspace, claim.call_id)
    assert (first["body"], second["body"]) == ("b", "a")
    assert (first["attempt"], first["carrier"], first["kind"], first["handled_at"]) == (1, "twilio", "status", None)
    assert first["headers"] == {"x-token": "tttttt…"}


async def test_the_callbacks_of_others_are_not_shown(workspace, make_workspace):
    claim = await workspace.dialed()
    assert await listed(workspace, claim.call_id) == []
    for where in ({"workspace_id": (await make_workspace()).id}, {"call_id": "call_unknown"}):
        with pytest.raises(NotFound):
            await listed(workspace, **{"call_id": claim.call_id} | where)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Content-Type", "application/json", "application/json"),
        ("X-Twilio-Signature", "a" * 28, "aaaaaa…"),
        ("authorization", "short", "…"),
        ("X-API-Key", "k" * 19, "kkkkkk…"),
    ],
)
def test_what_could_let_somebody_in_is_shortened(name, value, shown):
    assert shortened(name, value) == shown
