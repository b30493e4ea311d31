"""Another secret key in the place of the old one, while servers run."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import LargeBinary, insert, select, update

from outdial.accounts import secret_key_rotation
from outdial.accounts.secret_key import AnotherSecretKey, check_secret_key, is_secret_key
from outdial.accounts.secret_key_rotation import (
    SEALED,
    Count,
    RotationRefused,
    follow_secret_key,
    key_status,
    rotate,
)
from outdial.calls.heartbeat import Heartbeat, Station
from outdial.db.retention_tables import number_keys
from outdial.db.tables import carrier_accounts, do_not_call, metadata
from outdial.db.webhook_tables import webhooks
from outdial.draining import Drain
from outdial.policy.erased_entries import hash_entry, knows_number
from outdial.secrets import store
from outdial.webhooks import endpoints
from outdial.workspaces.audit import COMMAND_LINE
from outdial.workspaces.secrets import SecretBox, WrongSecretKey
from workspace import CALLEE

OLD, NEW = SecretBox("an old key"), SecretBox("a new key")
# Hashes, which nobody decrypts, and the canary, which is turned first.
NOT_SEALED = {
    "api_keys.key_hash", "attempts.stream_token_hash", "consultations.token_hash", "erased_entries.number_hash",
    "idempotency_keys.request_hash", "secret_keys.canary", "self_tests.token_hash", "sign_in_failures.subject",
    "sign_in_links.token_hash", "sign_ins.token_hash", "transfers.return_token_hash",
}  # fmt: skip


def both():
    return SecretBox("a new key", "an old key")


@pytest.fixture
async def sealed(workspace):
    """Something of each kind, encrypted with the old key, which is the database's."""
    engine = workspace.engine
    await check_secret_key(engine, OLD)
    async with engine.begin() as conn:
        await conn.execute(update(carrier_accounts).values(credentials=OLD.encrypt({"token": "x"})))
        entry = {"workspace_id": workspace.id, "number": CALLEE, "source": "api", "actor_kind": "command_line"}
        old_enough = {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}
        await conn.execute(insert(do_not_call).values(entry | {"actor_id": "", "actor_name": ""} | old_enough))
        assert await hash_entry(conn, OLD, workspace.id, CALLEE)
    await store.put(engine, OLD, workspace.id, "weather", store.NewSecret(value="sunny"), by=COMMAND_LINE)
    wanted = endpoints.Wanted(given={"url", "headers"}, url="https://a.example", headers={"X-Key": "k"})
    made = await endpoints.create_webhook(engine, OLD, workspace.id, wanted, by=COMMAND_LINE)
    await endpoints.rotate_secret(engine, OLD, workspace.id, made["id"], force=True, by=COMMAND_LINE)
    return workspace


async def read_all(engine, box):
    found = {}
    async with engine.connect() as conn:
        for what, columns in SEALED.items():
            values = [value for column in columns for value in await conn.scalars(select(column)) if value is not None]
            found[what] = [box.decrypt(value) for value in values]
    return found


async def test_everything_is_encrypted_anew_and_means_the_same(engine, sealed):
    before = await read_all(engine, OLD)
    assert all(before.values()), "each kind has something"
    status = await rotate(engine, both())
    assert await read_all(engine, NEW) == before
    assert (status.older, status.unreadable, status.is_newest) == (0, 0, True)
    assert await is_secret_key(engine, NEW)
    assert not await is_secret_key(engine, OLD), "a host that has the old one alone doesn't start"
    assert await store.reveal(engine, NEW, sealed.id, ["weather"]) == {"weather": "sunny"}
    async with engine.connect() as conn:
        assert await knows_number(conn, NEW, sealed.id, CALLEE), "an erased number is still known"


async def test_a_rotation_that_was_stopped_is_finished_by_the_next(engine, sealed, monkeypatch):
    before, seal, done = await read_all(engine, OLD), secret_key_rotation._seal_anew, []

    async def power_cut(*args):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(await seal(*args))

    with monkeypatch.context() as cut:
        cut.setattr(secret_key_rotation, "_seal_anew", power_cut)
        with pytest.raises(KeyboardInterrupt):
            await rotate(engine, both())
    halfway = await key_status(engine, both())
    assert (halfway.is_newest, halfway.older) == (True, sum(map(len, before.values())) - 3)
    assert await read_all(engine, both()) == before, "who has both reads everything all the time"
    for alone in (OLD, NEW):
        with pytest.raises(AnotherSecretKey):
            await check_secret_key(engine, alone)
    with pytest.raises(AnotherSecretKey):
        await rotate(engine, SecretBox("a third", "a new key"))
    assert (await rotate(engine, both())).older == 0
    await check_secret_key(engine, NEW)
    assert await read_all(engine, NEW) == before


async def test_until_it_is_rotated_hosts_encrypt_with_the_old_key(engine, sealed):
    """Another host may have that one alone."""
    box = both()
    await check_secret_key(engine, box)
    assert OLD.decrypt(box.encrypt("x")) == "x"
    assert (box.derive("csrf"), *box.derive_all("csrf")[1:]) == (OLD.derive("csrf"), NEW.derive("csrf"))
    following = asyncio.create_task(follow_secret_key(engine, box, every_s=0.01))
    await rotate(engine, both())
    async with asyncio.timeout(30):
        while box.sealing_id != NEW.sealing_id:  # noqa: ASYNC110 - looked up by another task
            await asyncio.sleep(0.01)
    following.cancel()
    assert NEW.decrypt(box.encrypt("x")) == "x"


async def test_it_begins_only_when_all_that_run_have_the_new_key(engine, sealed, worker, monkeypatch):
    monkeypatch.setattr(secret_key_rotation, "FOLLOWED_WITHIN_S", 0.0)

    async def says(*keys):
        station = Station(
            roles=(), stream_url="wss://a.example", internal_url=None, seats=0, lease_s=60, secret_keys=keys
        )
        await Heartbeat(engine, worker.id, station, Drain()).beat()

    for keys in ((), OLD.key_ids):
        await says(*keys)
        with pytest.raises(RotationRefused, match=worker.id):
            await rotate(engine, both())
        assert (await key_status(engine, both())).is_newest is False, "nothing has begun"
    await says(*both().key_ids)
    assert (await rotate(engine, both())).older == 0


async def test_one_key_alone_or_another_one_is_no_rotation(engine, sealed):
    with pytest.raises(RotationRefused, match="one secret key only"):
        await rotate(engine, OLD)
    with pytest.raises(AnotherSecretKey):
        await rotate(engine, SecretBox("a new key", "a wrong key"))


async def test_what_somebody_changes_meanwhile_stays_as_they_have_it(engine, sealed):
    async with engine.connect() as conn:
        key, before = (await conn.execute(select(number_keys.c.workspace_id, number_keys.c.sealed))).one()
    async with engine.begin() as conn:
        await conn.execute(update(number_keys).values(sealed=NEW.encrypt("changed")))
    box = both()
    box.seal_with_newest()
    await secret_key_rotation._seal_anew(engine, box, number_keys.c.sealed, (key,), before)
    async with engine.connect() as conn:
        assert NEW.decrypt(await conn.scalar(select(number_keys.c.sealed))) == "changed"


async def test_what_was_lost_before_stays_lost_and_is_counted(engine, sealed):
    async with engine.begin() as conn:
        await conn.execute(update(webhooks).values(headers=SecretBox("a lost key").encrypt({})))
    status = await rotate(engine, both())
    assert status.counts["secrets and headers of webhooks"] == Count(newest=2, unreadable=1)
    await check_secret_key(engine, NEW)


async def test_many_pages_are_gone_through(engine, sealed, monkeypatch):
    monkeypatch.setattr(secret_key_rotation, "PAGE", 2)
    for number in range(5):
        secret = store.NewSecret(value=str(number))
        await store.put(engine, OLD, sealed.id, f"name{number}", secret, by=COMMAND_LINE)
    told = []
    await rotate(engine, both(), told.append)
    found = await read_all(engine, NEW)
    assert sorted(found["secrets of workspaces"]) == ["0", "1", "2", "3", "4", "sunny"]
    assert told == list(range(1, sum(map(len, found.values())) + 1))


def test_no_column_is_forgotten():
    binary = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    known = {f"{column.table.name}.{column.name}" for columns in SEALED.values() for column in columns}
    assert binary == known | NOT_SEALED


async def test_a_box_of_several_keys_says_nothing_of_them():
    box = both()
    assert box.key_ids == (NEW.sealing_id, OLD.sealing_id)
    assert not {"a new key", "an old key"} & set(box.key_ids)
    with pytest.raises(WrongSecretKey):
        box.decrypt(SecretBox("a third").encrypt("x"))
    assert box.id_of(SecretBox("a third").encrypt("x")) is None
