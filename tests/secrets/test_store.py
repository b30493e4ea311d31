"""Secrets of a workspace: kept encrypted, revealed for what is about to be sent, and to nobody else."""

import pytest
from sqlalchemy import select

from outdial.db.engine import reading
from outdial.db.secret_tables import secrets
from outdial.db.tables import audit_log
from outdial.refusals import Conflict, Invalid, NotFound
from outdial.secrets import store
from outdial.secrets.store import NewSecret, SecretMissing, SecretNotForHost, SecretUnreadable
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox
from secret_box import BOX
from tenants import make_tenant

VALUE = "sk-live-0123456789"


@pytest.fixture
async def workspace_id(engine):
    return (await make_tenant(engine)).workspace_id


@pytest.fixture
def put(engine, workspace_id):
    async def put(name, value=VALUE, *, hosts=None, box=BOX):
        return await store.put(engine, box, workspace_id, name, NewSecret(value=value, hosts=hosts), by=COMMAND_LINE)

    return put


async def test_a_secret_is_stored_encrypted_and_revealed_by_its_name(engine, workspace_id, put):
    view, is_new = await put("weather_key")
    assert is_new
    assert VALUE not in repr(view)
    async with reading(engine) as conn:
        assert VALUE.encode() not in (await conn.scalar(select(secrets.c.sealed)))
        assert await store.reveal(conn, BOX, workspace_id, ["weather_key"]) == {"weather_key": VALUE}
    assert await store.reveal(engine, BOX, workspace_id, []) == {}


async def test_a_secret_is_replaced_and_removed_and_the_audit_log_never_has_its_value(engine, workspace_id, put):
    await put("weather_key")
    view, is_new = await put("weather_key", "another value", hosts=("API.example.com.",))
    assert (is_new, view["hosts"]) == (False, ["api.example.com"])
    await store.remove(engine, BOX, workspace_id, "weather_key", by=COMMAND_LINE)
    with pytest.raises(NotFound):
        await store.remove(engine, BOX, workspace_id, "weather_key", by=COMMAND_LINE)
    async with reading(engine) as conn:
        entries = (await conn.execute(select(audit_log).order_by(audit_log.c.id))).mappings().all()
    ours = [entry for entry in entries if entry["act"].startswith("secret.")]
    assert [entry["act"] for entry in ours] == ["secret.set", "secret.replaced", "secret.removed"]
    assert {entry["subject_name"] for entry in ours} == {"weather_key"}
    assert not any(value in repr([dict(entry) for entry in ours]) for value in (VALUE, "another value"))


async def test_a_secret_that_is_bound_to_hosts_is_revealed_for_no_other(engine, workspace_id, put):
    await put("crm", hosts=("api.example.com",))
    assert await store.reveal(engine, BOX, workspace_id, ["crm"], host="API.example.com") == {"crm": VALUE}
    for host in ("evil.example", "api.example.com.evil.example", None):
        with pytest.raises(SecretNotForHost):
            await store.reveal(engine, BOX, workspace_id, ["crm"], host=host)


async def test_another_workspace_has_other_secrets(engine, put):
    await put("weather_key")
    other = (await make_tenant(engine)).workspace_id
    with pytest.raises(SecretMissing, match="no secret weather_key"):
        await store.reveal(engine, BOX, other, ["weather_key"])
    async with reading(engine) as conn:
        assert await store.names(conn, other) == frozenset()


async def test_what_a_lost_secret_key_encrypted_is_told_and_can_be_set_anew(engine, workspace_id, put):
    await put("weather_key", box=SecretBox("a lost key"))
    with pytest.raises(SecretUnreadable, match="set it anew"):
        await store.reveal(engine, BOX, workspace_id, ["weather_key"])
    async with reading(engine) as conn:
        (listed,) = await store.list_secrets(conn, BOX, workspace_id)
    assert listed["readable"] is False
    view, _ = await put("weather_key")
    assert view["readable"] is True
    assert await store.reveal(engine, BOX, workspace_id, ["weather_key"]) == {"weather_key": VALUE}


async def test_a_workspace_has_so_many_secrets_and_no_more(monkeypatch, put):
    monkeypatch.setattr(store, "MOST", 2)
    await put("one")
    await put("two")
    with pytest.raises(Conflict):
        await put("three")
    await put("two")  # replaced


@pytest.mark.parametrize("name", ["", "Weather", "1st", "a-b", "a" * 64, "a\n", "a\0", "k\u00e9y"])
async def test_names_are_plain(put, name):
    with pytest.raises(Invalid):
        await put(name)


@pytest.mark.parametrize("value", ["", "a\r\nX-Other: b", "a\0b", "x" * (store.MAX_CHARS + 1)])
async def test_a_value_fits_into_a_header(put, value):
    with pytest.raises(Invalid) as refused:
        await put("name", value)
    assert value[:20] not in refused.value.message or not value


@pytest.mark.parametrize("hosts", [(), ("https://api.example.com",), ("a b",), ("*",), ("h:8080",), ("x", "")])
async def test_hosts_are_names_alone(put, hosts):
    with pytest.raises(Invalid):
        await put("name", hosts=hosts)
