import httpx
import pytest

from outdial.accounts.credentials import check_credentials
from outdial.accounts.simulated import simulated_accounts
from outdial.carriers.registry import CARRIERS
from outdial.simulator.server import SimulatorConfig, serve


async def test_a_simulator_has_an_account_at_every_carrier_that_can_be_connected():
    async with serve(SimulatorConfig()) as simulator:
        accounts = await simulated_accounts(simulator.base_url)
        assert [account.carrier for account in accounts] == list(CARRIERS)
        for account in accounts:
            check_credentials(CARRIERS[account.carrier], account.credentials)
            assert account.numbers
            assert account.base_url == simulator.base_url


async def test_where_there_is_no_simulator_that_is_said():
    with pytest.raises(httpx.HTTPError):
        await simulated_accounts("http://127.0.0.1:1", timeout_s=1.0)
