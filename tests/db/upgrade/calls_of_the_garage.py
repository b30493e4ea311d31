"""A workspace with one line, and what that means: it is taken, a caller is turned away, a call waits."""

from office import Office

from outdial.agents.store import create_agent
from outdial.carriers.base import CarrierName
from outdial.numbers.store import add_number
from outdial.workspaces.audit import COMMAND_LINE


async def the_only_line(office: Office, garage: str, script: str) -> None:
    agent = await create_agent(office.engine, garage, name="Reminder", source=script, publish=True, by=COMMAND_LINE)
    number = await add_number(
        office.engine, office.secret_box, garage, carrier=CarrierName.TWILIO, e164="+15551230001",
        credentials={"account_sid": "AC00000000000000000000000000000009", "auth_token": "made up: garage"},
        agent_id=agent["id"], public_url=office.settings.base_url, by=COMMAND_LINE,
    )  # fmt: skip
    await office.completed(number["id"], garage, "Your car is ready.", "Good", key="order-0")
    caller = await office.incoming(number["id"])
    assert caller is not None
    await office.talk(caller, "Garage, good day.", "My car", "Go on.", open_=True)
    assert await office.incoming(number["id"]) is None  # pool_full
    await office.ask(garage, number["id"], key="order-1")
