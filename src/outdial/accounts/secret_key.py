"""One database, one secret key: a process whose key is another than the one that credentials are encrypted with would
connect numbers that nobody else can dial from, and refuse every callback. It doesn't start.

The first process that starts leaves a canary: a word encrypted with its key. Whoever can't read it has another key.
"""

from sqlalchemy import delete, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.db.engine import reading
from outdial.db.secret_tables import secrets
from outdial.db.tables import carrier_accounts, secret_keys
from outdial.settings import Settings
from outdial.workspaces.secrets import SecretBox

WORD = "canary"


class AnotherSecretKey(RuntimeError):
    """This process has another secret key than the database's; the message says what to do."""

    def __init__(self) -> None:
        super().__init__(
            "this process has another secret key than the one this database's carrier credentials are encrypted with. "
            "Give every host the same one: set OUTDIAL_SECRET_KEY, or copy <data_dir>/secret_key of the host that "
            "connected the numbers. While it is rotated, each needs the old one, too (OUTDIAL_OLD_SECRET_KEY). If "
            "that key is lost: outdial secret-key forget"
        )


async def check_secret_key(engine: AsyncEngine, secret_box: SecretBox) -> None:
    """Raises AnotherSecretKey. A database without a canary gets this key's, unless it has credentials of another. From
    now on `secret_box` seals with the key that is the database's, of those that it has."""
    if not await _is_this_databases(engine, secret_box, leave_canary=True):
        raise AnotherSecretKey


async def is_secret_key(engine: AsyncEngine, secret_box: SecretBox) -> bool:
    """Whether it is the database's; also true where there is none yet. Changes nothing."""
    return await _is_this_databases(engine, secret_box, leave_canary=False)


async def may_use(engine: AsyncEngine, settings: Settings) -> bool:
    """Whether the key of these settings is the database's; where they have none, whether one may be made for it.
    Changes nothing, and makes none."""
    if SecretBox.is_there(settings):
        return await is_secret_key(engine, SecretBox.from_settings(settings))
    async with engine.connect() as conn:
        row = (await conn.execute(select(secret_keys.c.canary))).one_or_none()
        if row is not None:
            return row.canary is None
        stored = or_(select(carrier_accounts.c.id).exists(), select(secrets.c.name).exists())
        return not await conn.scalar(select(stored))


async def forget_secret_key(engine: AsyncEngine) -> bool:
    """The key of whoever starts next will be the database's; False when it had none. What was encrypted with the one
    before stays unreadable: those credentials are to be given anew."""
    async with engine.begin() as conn:
        await _one_at_a_time(conn)
        # Credentials that the next one can't read are known by then: they don't keep it from leaving its canary.
        forgotten = await conn.execute(delete(secret_keys))
        await conn.execute(insert(secret_keys).values(canary=None))
    return forgotten.rowcount > 0


async def read_canary(engine: AsyncEngine) -> bytes | None:
    async with reading(engine) as conn:
        canary: bytes | None = await conn.scalar(select(secret_keys.c.canary))
        return canary


async def turn_canary(engine: AsyncEngine, secret_box: SecretBox) -> None:
    """The newest key of `secret_box` is the database's from now on; the one before is needed, too, until everything is
    sealed anew. Raises AnotherSecretKey where neither is."""
    async with engine.begin() as conn:
        await _one_at_a_time(conn)
        row = (await conn.execute(select(secret_keys.c.canary, secret_keys.c.old_key))).one_or_none()
        if row is not None and row.canary is not None and not secret_box.seal_as(row.canary):
            raise AnotherSecretKey
        before = secret_box.sealing_id
        if before == secret_box.seal_with_newest():
            return
        await conn.execute(delete(secret_keys))
        await conn.execute(insert(secret_keys).values(canary=secret_box.encrypt(WORD), old_key=before))


async def finish_rotation(engine: AsyncEngine) -> None:
    """Nothing is sealed with the key before any more."""
    async with engine.begin() as conn:
        await _one_at_a_time(conn)
        await conn.execute(update(secret_keys).values(old_key=None))


async def _is_this_databases(engine: AsyncEngine, secret_box: SecretBox, *, leave_canary: bool) -> bool:
    credentials = select(carrier_accounts.c.credentials, carrier_accounts.c.created_at.label("at"))
    stored = credentials.union_all(select(secrets.c.sealed, secrets.c.set_at)).subquery()
    newest = select(stored.c.credentials).order_by(stored.c.at.desc()).limit(1)
    async with engine.begin() as conn:
        if leave_canary:
            # Two hosts may start at once: one leaves its canary, the other reads it.
            await _one_at_a_time(conn)
        row = (await conn.execute(select(secret_keys.c.canary, secret_keys.c.old_key))).one_or_none()
        if row is not None and row.canary is not None:
            return secret_box.seal_as(row.canary) and row.old_key in (None, *secret_box.key_ids)
        if row is None and (sealed := await conn.scalar(newest)) is not None and not secret_box.seal_as(sealed):
            return False
        if leave_canary:
            await conn.execute(delete(secret_keys))
            await conn.execute(insert(secret_keys).values(canary=secret_box.encrypt(WORD)))
        return True


async def _one_at_a_time(conn: AsyncConnection) -> None:
    """Until the transaction's end. Of two who write without it, each leaves a row, and there may be one."""
    await conn.execute(text("LOCK TABLE secret_keys IN SHARE ROW EXCLUSIVE MODE"))
