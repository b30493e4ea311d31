"""A workspace, and simulated accounts at all carriers whose numbers can be connected to it."""

import pytest

from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.connecting import Connector
from outdial.numbers.new_number import NewNumber
from outdial.workspaces.audit import COMMAND_LINE
from secret_box import BOX
from simulated_accounts import FIRST, URL, SimulatedAccounts


@pytest.fixture
def accounts() -> SimulatedAccounts:
    return SimulatedAccounts()


@pytest.fixture
def connector(engine, accounts) -> Connector:
    return Connector(
        engine=engine, secret_box=BOX, public_url=URL, open_number_control=accounts.open
    )


@pytest.fixture
async def workspace_id(engine) -> str:
    return (await create_workspace(engine, name="Clinic", lines=5))["id"]


@pytest.fixture
def new_number(accounts):
    """A number of the account that is known of a carrier."""

    def new_number(carrier, e164=FIRST, **options) -> NewNumber:
        options = {"credentials": accounts.credentials[carrier]} | options
        return NewNumber(carrier=carrier, e164=e164, **options)

    return new_number


@pytest.fixture
def connect(connector, new_number, workspace_id):
    async def connect(carrier, e164=FIRST, **options):
        return await connector.connect(workspace_id, new_number(carrier, e164, **options), by=COMMAND_LINE)

    return connect
