"""Which paths are a media stream's."""

import pytest

from outdial.live.stream_paths import by_path


class Handshakes:
    def __init__(self):
        self.asked = []

    async def open(self, **what):
        self.asked.append(what)
        return "opened"


async def test_a_streams_path_names_carrier_attempt_and_token(settings):
    handshakes = Handshakes()
    path = "/media/twilio/att_1/secret"
    assert await by_path(handshakes, settings)(path, {"host": "x"}) == "opened"
    [asked] = handshakes.asked
    assert (asked["carrier"], asked["attempt_id"], asked["token"]) == ("twilio", "att_1", "secret")
    assert (asked["url"], asked["headers"]) == ("wss://voice.example" + path, {"host": "x"})


@pytest.mark.parametrize("path", ["/2/media/twilio/att_1/secret", "/media/twilio/att_1/secret"])
async def test_a_workers_own_address_may_have_a_path_that_a_proxy_takes_off_or_not(settings, path):
    handshakes = Handshakes()
    own = settings.model_copy(update={"stream_url": "wss://audio.example/2"})
    assert await by_path(handshakes, own)(path, {}) == "opened"
    assert handshakes.asked[0]["url"] == "wss://audio.example/2/media/twilio/att_1/secret"
    assert await by_path(handshakes, own)("/3/media/twilio/att_1/secret", {}) is None


@pytest.mark.parametrize("path", ["/", "/media/twilio/att_1", "/media/acme/att_1/t", "/x/twilio/a/t", "/media/a/b/c/d"])
async def test_nothing_else_is_a_websocket(settings, path):
    handshakes = Handshakes()
    assert await by_path(handshakes, settings)(path, {}) is None
    assert handshakes.asked == []
