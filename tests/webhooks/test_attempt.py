"""One try, at receivers that do everything wrong."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from outdial.net.addresses import Allowed, literal
from outdial.webhooks import attempt as attempts
from outdial.webhooks.attempt import MAX_ANSWER_BYTES, MAX_KEPT_CHARS, Outgoing, Problem, WebhookClient
from outdial.webhooks.retry import LONGEST_RETRY_AFTER
from outdial.webhooks.signature import new_secret, signed_headers
from webhooks.receiver import Answer


@pytest.fixture
async def client():
    client = WebhookClient(Allowed.parse("127.0.0.1"))
    yield client
    await client.aclose()


def outgoing(url: str) -> Outgoing:
    return Outgoing(url=url, event_id="evt_1", body=b"{}", keys=[new_secret()], headers={})


def test_the_signature_is_that_of_the_standard():
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("answer", "problem", "status"),
    [
        (Answer(status=204, body=b""), None, 204),
        (Answer(status=500), Problem.NOT_2XX, 500),
        (Answer(status=302, headers={"Location": "http://169.254.169.254/"}), Problem.REDIRECT, 302),
        (Answer(close=True), Problem.CONNECTION, None),
    ],
)
async def test_what_comes_back_is_told_in_a_word(client, receiver, answer, problem, status):
    receiver.answers = lambda got: answer
    told = await client.attempt(outgoing(receiver.url))
    assert (told.problem, told.status) == (problem, status)
    assert len(receiver.received) == 1


async def test_an_answer_without_end_is_cut(client, receiver):
    receiver.answers = lambda got: Answer(endless=True)
    told = await client.attempt(outgoing(receiver.url))
    assert told.succeeded
    assert len(told.answer) == MAX_KEPT_CHARS
    await asyncio.sleep(0.2)
    written = receiver.written
    await asyncio.sleep(0.2)
    assert written == receiver.written < 100 * MAX_ANSWER_BYTES


async def test_a_receiver_that_is_too_slow_is_left(client, receiver, monkeypatch):
    monkeypatch.setattr(attempts, "TOTAL_S", 0.3)
    receiver.answers = lambda got: Answer(after_s=30)
    began = time.monotonic()
    told = await client.attempt(outgoing(receiver.url))
    assert (told.problem, told.status) == (Problem.TIMEOUT, None)
    assert time.monotonic() - began < 5


async def test_a_name_that_leads_somewhere_else_the_second_time_leads_nowhere(receiver):
    asked = []

    async def resolve(host: str, port: int):
        asked.append(host)
        return [literal("93.184.215.14" if len(asked) == 1 else "127.0.0.1")]

    client = WebhookClient(Allowed(), resolve=resolve)
    url = receiver.url.replace("http://127.0.0.1", "https://rebinding.example")
    assert await client.check(url) == url
    told = await client.attempt(outgoing(url))
    assert told.problem is Problem.REFUSED_ADDRESS
    assert receiver.received == []
    await client.aclose()


async def test_retry_after_is_read_in_both_forms(client, receiver):
    receiver.answers = lambda got: Answer(status=429, headers={"Retry-After": "120"})
    told = await client.attempt(outgoing(receiver.url))
    assert told.retry_after - told.at == timedelta(seconds=120)
    receiver.answers = lambda got: Answer(status=503, headers={"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"})
    told = await client.attempt(outgoing(receiver.url))
    assert told.retry_after - told.at == LONGEST_RETRY_AFTER


@pytest.mark.parametrize("headers", [{"X-Key": "clé"}, {"X-Clé": "key"}, {"X-Key": "a\nb"}])
async def test_headers_that_cannot_be_sent_are_a_try_that_failed(client, receiver, headers):
    told = await client.attempt(replace(outgoing(receiver.url), headers=headers))
    assert (told.problem, told.status) == (Problem.CONNECTION, None)
