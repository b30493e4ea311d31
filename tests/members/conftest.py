from types import SimpleNamespace

import pytest
from sqlalchemy import update

from outdial.db.tables import sign_in_failures, sign_in_links, sign_ins
from outdial.lines.workspace_pools import create_workspace
from outdial.members import store
from outdial.members.sign_in import sign_in
from outdial.members.signed_in import SignIns
from outdial.workspaces.audit import COMMAND_LINE

PASSWORD = "correct horse battery"
URL = "https://voice.example"


@pytest.fixture
async def workspace_id(engine):
    return (await create_workspace(engine, name="Clinic"))["id"]


@pytest.fixture
def who_is(engine):
    """Without memory: what the database says."""
    return SignIns(engine, csrf_keys=lambda: ["a key for tests"], ttl_s=0)


@pytest.fixture
def invite(engine, workspace_id):
    async def invite(email, role="editor", *, to=workspace_id, by=COMMAND_LINE):
        name = email.partition("@")[0]
        member = await store.invite(engine, to, email=email, name=name, role=role, by=by, base_url=URL)
        token = member["link"] and member["link"]["url"].removeprefix(f"{URL}/sign-in/")
        return SimpleNamespace(id=member["id"], email=member["email"], link=token)

    return invite


@pytest.fixture
def enter(engine):
    """Sign in by a password, from one address."""

    async def enter(email, password=PASSWORD, *, address="192.0.2.1", user_agent="Firefox"):
        return await sign_in(engine, email=email, password=password, address=address, user_agent=user_agent)

    return enter


@pytest.fixture
def pass_time(engine):
    """Everything about sign-ins becomes older."""
    instants = {
        sign_ins: ("created_at", "last_seen_at", "expires_at", "ended_at"),
        sign_in_links: ("created_at", "expires_at", "used_at"),
        sign_in_failures: ("last_at", "wait_until"),
    }

    async def pass_time(duration):
        async with engine.begin() as conn:
            for table, columns in instants.items():
                await conn.execute(update(table).values({name: table.c[name] - duration for name in columns}))

    return pass_time
