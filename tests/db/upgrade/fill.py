"""The workspaces of the dump, filled by 0.1.0's own functions: who works there, agents, numbers, then calls."""

import base64
import hashlib
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from calls_of_the_clinic import every_call
from calls_of_the_garage import the_only_line
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from office import Office
from sqlalchemy import select, update

from outdial.agents.store import add_version, create_agent, publish_version, rename_agent
from outdial.calls.refused import count_refused
from outdial.carriers.base import CarrierName
from outdial.db.tables import api_keys, sign_ins, workers
from outdial.members import store as member_store
from outdial.members.sign_in import set_password, sign_in, sign_out, token_hash, use_link
from outdial.numbers.store import add_number, change_number, remove_number
from outdial.refusals import Denied
from outdial.workspaces.access import Role
from outdial.workspaces.api_keys import create_api_key, revoke_api_key
from outdial.workspaces.audit import COMMAND_LINE, Actor, ActorKind
from outdial.workspaces.plans import Plan
from outdial.workspaces.store import change_plan, create_workspace

PASSWORD = "correct horse battery staple"
EMAIL = "ada@clinic.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
ADDRESS = "192.0.2.7"

REMINDER = """\
agent:
  name: Reminder

variables:
  day: tomorrow
  user_name:

do_not_call:
  say: I'm sorry. We won't call you again. Goodbye.

machine:
  action: leave_message
  message: Hello {user_name|there}, please call us back at {agent_number}.

start: greeting

steps:
  greeting:
    ask: Hello {user_name|there}, does {day} still work for you?
    answers:
      - words: [yes]
        digits: [1]
        goto: confirmed
      - words: [no]
        digits: [2]
        goto: goodbye
  confirmed:
    - set: {appointment_confirmed: true}
    - say: Thank you.
    - goto: goodbye
  goodbye:
    hang_up: Goodbye.
"""
SIMPLE = "agent:\n  name: Simple\nsteps:\n  only:\n    hang_up: Hello.\n"


@dataclass(slots=True, kw_only=True)
class Clinic:
    """Ids of what the calls are made with."""

    id: str
    agents: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)


async def fill(office: Office) -> dict[str, Any]:
    """What a test has to know to read the database: secrets, all made up."""
    await office.change(workers, office.worker.id, host="voice-1", pid=4711)
    clinic = Clinic(id=(await create_workspace(office.engine, name="Clinic", plan=Plan.TEAM))["id"])
    garage = (await create_workspace(office.engine, name="Garage", plan=Plan.STARTER))["id"]
    await create_workspace(office.engine, name="Call centre", plan=Plan.ENTERPRISE)
    hall = (await create_workspace(office.engine, name="Concert hall", plan=Plan.CUSTOM, lines=40))["id"]
    await create_workspace(office.engine, name="Nothing yet", plan=Plan.PRO)
    await change_plan(office.engine, clinic.id, reserved_inbound=2, by=COMMAND_LINE)

    keys = {
        "Clinic": await _api_key(office, clinic.id, "clinic"),
        "Garage": await _api_key(office, garage, "garage"),
        "Concert hall": await _api_key(office, hall, "hall"),
    }
    old = await create_api_key(office.engine, clinic.id, name="Old laptop", by=COMMAND_LINE)
    await revoke_api_key(office.engine, clinic.id, old["id"], by=COMMAND_LINE)

    ada = await _members(office, clinic.id, garage)
    await _agents(office, clinic, ada)
    await _numbers(office, clinic)
    rings = await every_call(office, clinic)
    await _removed_number(office, clinic)
    await the_only_line(office, garage, REMINDER)
    await office.hear_too_late(rings)
    return {"api_keys": keys, "email": EMAIL, "password": PASSWORD}


async def _api_key(office: Office, workspace_id: str, name: str) -> str:
    """A key that is known: what create_api_key made is thrown away."""
    key = f"od_made-up-for-the-tests-{name}"
    made = await create_api_key(office.engine, workspace_id, name="Laptop", by=COMMAND_LINE)
    async with office.engine.begin() as conn:
        known = {"key_hash": hashlib.sha256(key.encode()).digest(), "hint": key[:8], "last_used_at": office.clock.now}
        await conn.execute(update(api_keys).where(api_keys.c.id == made["id"]).values(known))
    return key


async def _members(office: Office, clinic: str, garage: str) -> Actor:
    """An operator with a password and two browsers, an editor who came once, a viewer whose link waits; guesses."""
    engine, url = office.engine, office.settings.base_url
    people = {}
    for name, role in (("Ada", Role.OPERATOR), ("Emil", Role.EDITOR), ("Vera", Role.VIEWER), ("Otto", Role.VIEWER)):
        email = f"{name.lower()}@clinic.example"
        people[name] = await member_store.invite(
            engine, clinic, email=email, name=name, role=role, by=COMMAND_LINE, base_url=url
        )
        office.clock.pass_time(60)
    people["Ada"] = await member_store.invite(  # her link in a second workspace replaces the first one
        engine, garage, email="ada@clinic.example", name="Ada", role=Role.OPERATOR, by=COMMAND_LINE, base_url=url
    )

    def link(name: str) -> str:
        invitation = people[name]["link"]
        assert invitation is not None
        return str(invitation["url"].rpartition("/")[2])

    token = await use_link(engine, link("Ada"), user_agent=FIREFOX)
    async with engine.connect() as conn:
        first = await conn.scalar(select(sign_ins.c.id).where(sign_ins.c.token_hash == token_hash(token)))
    await set_password(engine, str(first), password=PASSWORD, old_password=None, address=ADDRESS)
    office.clock.pass_time(3600)
    second = await sign_in(engine, email=EMAIL, password=PASSWORD, address=ADDRESS, user_agent="curl/8.9")
    await sign_out(engine, second)
    await use_link(engine, link("Emil"), user_agent=FIREFOX)
    for email in (EMAIL, "nobody@clinic.example"):
        with suppress(Denied):
            await sign_in(engine, email=email, password="a wrong guess", address="198.51.100.9", user_agent="")
    by_ada = Actor(kind=ActorKind.PERSON, id=people["Ada"]["id"], name="Ada")
    await member_store.change_role(engine, clinic, people["Vera"]["id"], Role.EDITOR, by=by_ada)
    await member_store.remove_member(engine, clinic, people["Otto"]["id"], by=by_ada)
    return by_ada


async def _agents(office: Office, clinic: Clinic, ada: Actor) -> None:
    """One published, with an older version and a newer draft; one that was never published; one only started."""
    engine, workspace = office.engine, clinic.id
    reminder = await create_agent(engine, workspace, name="Reminder", source=SIMPLE, publish=True, by=COMMAND_LINE)
    clinic.agents["reminder"] = agent = reminder["id"]
    office.clock.pass_time(600)
    await add_version(engine, workspace, agent, source=REMINDER, base_version=1, by=ada)
    await publish_version(engine, workspace, agent, by=ada)
    draft = REMINDER.replace("Hello {user_name|there}, does", "Good day {user_name|there}, does")
    await add_version(engine, workspace, agent, source=draft, by=ada)
    survey = await create_agent(engine, workspace, name="Poll", source=SIMPLE, by=ada)
    clinic.agents["survey"] = survey["id"]
    await rename_agent(engine, workspace, survey["id"], name="Survey ☎ after the visit", by=ada)
    recall = await create_agent(engine, workspace, name="Recall", source=SIMPLE, by=ada)
    clinic.agents["recall"] = recall["id"]


async def _numbers(office: Office, clinic: Clinic) -> None:
    """At all three carriers, connected (with what it takes to put back) or only dialling out."""
    twilio = {"account_sid": "AC00000000000000000000000000000001", "auth_token": "made up: twilio"}
    vonage = {
        "api_key": "abcd1234",
        "api_secret": "made up: vonage",
        "signature_secret": "made up: vonage signs",
        "application_id": "78d335fa-323d-0114-9c3d-d6f0d48968cf",
        "private_key": _rsa_key(),
    }
    public_key = Ed25519PrivateKey.from_private_bytes(b"made up for tests".ljust(32)).public_key().public_bytes_raw()
    telnyx = {
        "api_key": "KEY made up: telnyx",
        "public_key": base64.b64encode(public_key).decode(),
        "connection_id": "1684641123236054244",
        "detection": "standard",
    }
    agents = clinic.agents
    inbound = {"voice_url": f"{office.settings.base_url}/callbacks/twilio/accounts/acct/inbound", "status_callback": ""}
    before = {"voice_url": "https://old.clinic.example/twiml", "status_callback": ""}
    set_by_us = {"carrier": {"before": before, "set": inbound}, "made": []}
    app = {"carrier": {"app_id": vonage["application_id"], "created": True}, "made": ["application_id", "private_key"]}
    connection = {"carrier": {"created": False, "connection_id": telnyx["connection_id"]}, "made": ["connection_id"]}
    wanted: list[tuple[str, CarrierName, dict[str, str], str, dict[str, Any]]] = [
        ("front", CarrierName.TWILIO, twilio, "+15551230001", {"agent_id": agents["reminder"], "undo": set_by_us}),
        ("after hours", CarrierName.TWILIO, twilio, "+15551230002", {"agent_id": agents["reminder"],
            "direction": "inbound", "undo": set_by_us}),
        ("no agent", CarrierName.TWILIO, twilio, "+15551230003", {}),
        ("surveys", CarrierName.VONAGE, vonage, "+15551230004", {"agent_id": agents["survey"],
            "agent_version": "draft", "undo": app, "region": "eu", "calls_per_second": 3.5}),
        ("surveys 2", CarrierName.VONAGE, vonage, "+15551230005", {"agent_id": agents["reminder"], "undo": app}),
        ("recalls", CarrierName.TELNYX, telnyx, "+15551230006", {"agent_id": agents["reminder"], "undo": connection}),
        ("unpublished", CarrierName.TELNYX, telnyx, "+15551230007", {"agent_id": agents["recall"]}),
        ("simulated", CarrierName.TWILIO, twilio | {"account_sid": "AC00000000000000000000000000000002"},
            "+15551230008", {"agent_id": agents["reminder"], "base_url": "http://127.0.0.1:8090"}),
    ]  # fmt: skip
    for name, carrier, credentials, e164, others in wanted:
        number = await add_number(
            office.engine,
            office.secret_box,
            clinic.id,
            carrier=carrier,
            e164=e164,
            name=name.capitalize(),
            credentials=credentials,
            public_url=office.settings.base_url,
            by=COMMAND_LINE,
            **others,
        )
        clinic.numbers[name] = number["id"]
        office.clock.pass_time(60)
    rotated = telnyx | {"api_key": "KEY made up: telnyx, rotated"}
    number = await add_number(
        office.engine, office.secret_box, clinic.id, carrier=CarrierName.TELNYX, e164="+15551230009",
        credentials=rotated, public_url=office.settings.base_url, undo=connection, by=COMMAND_LINE,
    )  # fmt: skip
    await remove_number(office.engine, clinic.id, number["id"], is_put_back=True, by=COMMAND_LINE)
    name_only = {"name": "Recalls of the spring"}
    await change_number(
        office.engine, clinic.id, clinic.numbers["recalls"], name_only, public_url=office.settings.base_url,
        by=COMMAND_LINE,
    )  # fmt: skip
    for name in ("front", "front", "recalls"):
        await count_refused(office.engine, (await office.account(clinic.numbers[name])).id)


async def _removed_number(office: Office, clinic: Clinic) -> None:
    """Its calls stay, without number and account."""
    await remove_number(office.engine, clinic.id, clinic.numbers.pop("simulated"), by=COMMAND_LINE)


def _rsa_key() -> str:
    """Always the same, so that no key lies in the repository."""
    source = random.Random(3)

    def prime() -> int:
        while True:
            number = source.getrandbits(1024) | 3 << 1022 | 1
            if number % 65537 != 1 and all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7)):
                return number

    p, q = prime(), prime()
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p, q=q, d=d, dmp1=rsa.rsa_crt_dmp1(d, p), dmq1=rsa.rsa_crt_dmq1(d, q), iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(e=65537, n=p * q),
    )  # fmt: skip
    key = numbers.private_key()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
