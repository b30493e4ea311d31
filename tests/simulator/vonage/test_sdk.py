"""The simulator's REST, used by Vonage's own SDK. It insists on https; its transport is told to do without."""

import asyncio

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from vonage import Auth, HttpClientOptions, Vonage
from vonage_application.common import Capabilities, Keys, Voice, VoiceUrl, VoiceWebhooks
from vonage_application.requests import ApplicationConfig
from vonage_http_client.errors import AuthenticationError, NotFoundError
from vonage_numbers import ListOwnedNumbersFilter, UpdateNumberParams
from vonage_voice.models import (
    AdvancedMachineDetection,
    AudioStreamOptions,
    CreateCallRequest,
    ListCallsFilter,
    Talk,
    ToPhone,
    TtsStreamOptions,
)
from vonage_voice.models.common import Phone

from outdial.simulator.vonage import tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Plain(HTTPAdapter):
    def send(self, request: PreparedRequest, *args, **kwargs) -> Response:
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


def client(setup, **credentials) -> Vonage:
    """Synchronous: call it with asyncio.to_thread."""
    config, host = setup.config, setup.simulator.base_url.removeprefix("http://")
    auth = Auth(
        **{
            "api_key": config.api_key,
            "api_secret": config.api_secret,
            "application_id": config.application_id,
            "private_key": setup.account.private_key,
            **credentials,
        }
    )
    made = Vonage(auth, HttpClientOptions(api_host=host, rest_host=host, max_retries=0, pool_maxsize=1))
    session = made.http_client._session  # the only way to its transport
    session.trust_env = False
    session.mount("https://", Plain())
    return made


def request(setup, callee: str = "11") -> CreateCallRequest:
    return CreateCallRequest(
        to=[ToPhone(number=f"120255501{callee}")],
        from_=Phone(number=setup.number),
        ncco=[Talk(text="Hello", loop=0)],
        event_url=[setup.customer.url("event")],
        ringing_timer=20,
        length_timer=60,
        advanced_machine_detection=AdvancedMachineDetection(behavior="continue", mode="default"),
    )


async def test_the_sdk_places_a_call_controls_it_and_reads_about_it(setup):
    voice, customer = client(setup).voice, setup.customer
    placed = await asyncio.to_thread(voice.create_call, request(setup))
    assert placed.status == "started"
    await customer.wait_for_event("answered")

    def use() -> None:
        assert voice.get_call(placed.uuid).status == "answered"
        assert voice.play_dtmf_into_call(placed.uuid, "1p#").message == "DTMF sent"
        assert voice.play_tts_into_call(placed.uuid, TtsStreamOptions(text="Hi", level=0.5)).uuid == placed.uuid
        assert voice.stop_tts(placed.uuid).message == "Talk stopped"
        stream = AudioStreamOptions(stream_url=[customer.url("file")], loop=1)
        assert voice.play_audio_into_call(placed.uuid, stream).message == "Stream started"
        assert voice.stop_audio_stream(placed.uuid).message == "Stream stopped"
        voice.mute(placed.uuid)
        voice.unearmuff(placed.uuid)
        voice.transfer_call_ncco(placed.uuid, [Talk(text="Moved", loop=0)])
        voice.hangup(placed.uuid)

    await asyncio.to_thread(use)
    final = await customer.wait_for_end(placed.uuid)

    def look_back() -> None:
        call = voice.get_call(placed.uuid)
        assert (call.status, call.duration, call.price) == ("completed", final["duration"], final["price"])
        assert call.start_time is not None
        calls, more = voice.list_calls(ListCallsFilter(conversation_uuid=call.conversation_uuid))
        assert [each.uuid for each in calls] == [placed.uuid]
        assert more is None
        with pytest.raises(NotFoundError):
            voice.hangup(placed.uuid)
        with pytest.raises(NotFoundError):
            voice.get_call("63f61863-4a51-4f6b-86e1-46edebcf9356")

    await asyncio.to_thread(look_back)


async def test_the_sdk_makes_changes_and_deletes_an_application_and_links_a_number(setup):
    sdk = client(setup)
    webhooks = VoiceWebhooks(answer_url=VoiceUrl(address="https://voice.example/in", http_method="POST"))
    config = ApplicationConfig(
        name="Outbound", capabilities=Capabilities(voice=Voice(webhooks=webhooks, signed_callbacks=True))
    )

    def use() -> None:
        made = sdk.application.create_application(config)
        assert tokens.public_part(made.keys.private_key) == made.keys.public_key
        shown = sdk.application.get_application(made.id)
        assert not hasattr(shown.keys, "private_key")
        assert shown.capabilities.voice.webhooks.answer_url.address == "https://voice.example/in"
        given = config.model_copy(update={"keys": Keys(public_key=shown.keys.public_key), "name": "Second"})
        assert not hasattr(sdk.application.create_application(given).keys, "private_key")
        changed = sdk.application.update_application(made.id, ApplicationConfig(name="Renamed"))
        assert (changed.name, changed.capabilities.voice) == ("Renamed", None)
        assert changed.keys.public_key == made.keys.public_key
        found, _ = sdk.application.list_applications()
        assert {each.name for each in found} >= {"Renamed", "Second"}

        link = UpdateNumberParams(country="US", msisdn=setup.number, app_id=made.id)
        assert sdk.numbers.update_number(link).error_code == "200"
        owned = sdk.numbers.list_owned_numbers(ListOwnedNumbersFilter(pattern=setup.number, search_pattern=1))
        assert [(each.msisdn, each.app_id) for each in owned[0]] == [(setup.number, made.id)]
        other = client(setup, application_id=made.id, private_key=made.keys.private_key)
        assert other.voice.list_calls() == ([], None)

        for each in sdk.application.list_applications()[0]:
            if each.id != setup.config.application_id:
                sdk.application.delete_application(each.id)
        linked = sdk.numbers.list_owned_numbers(ListOwnedNumbersFilter(has_application=True))
        assert linked[0] == []
        with pytest.raises(AuthenticationError):
            other.voice.list_calls()
        assert sdk.account.get_balance().value > 0

    await asyncio.to_thread(use)


async def test_wrong_credentials_are_refused(setup):
    other_key = tokens.new_key_pair()[0]

    def use() -> None:
        wrong = client(setup, api_secret="Wrong1secret", private_key=other_key)
        for ask in (
            wrong.account.get_balance,
            wrong.application.list_applications,
            wrong.numbers.list_owned_numbers,
            wrong.voice.list_calls,
        ):
            with pytest.raises(AuthenticationError):
                ask()

    await asyncio.to_thread(use)
