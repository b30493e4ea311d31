"""What a server wants kept of one workspace isn't told with another's."""

import httpx
import pytest

from outdial.agents.llm.chat_server import ChatServerModel
from outdial.agents.tools.http import HttpTools
from outdial.agents.voiceflow.door import client
from outdial.net.addresses import Allowed
from outdial.webhooks.attempt import WebhookClient


async def sets_a_cookie(request):
    sent = request.headers.get("cookie")
    return httpx.Response(200, headers={"set-cookie": "session=one; Path=/"}, json={"cookie": sent})


@pytest.mark.parametrize("make", [
    client,
    lambda transport: HttpTools(transport)._client,
    lambda transport: WebhookClient(Allowed()).http,
    lambda transport: ChatServerModel("m", "http://model.example/v1", None)._http,
], ids=["voiceflow", "tools", "webhooks", "models"])  # fmt: skip
async def test_a_client_that_many_share_sends_no_cookie_back(make):
    http = make(httpx.MockTransport(sets_a_cookie))
    http._transport, http._mounts = httpx.MockTransport(sets_a_cookie), {}
    for _ in range(2):
        answer = await http.get("http://server.example/")
        assert answer.json() == {"cookie": None}
    assert list(http.cookies.jar) == []
