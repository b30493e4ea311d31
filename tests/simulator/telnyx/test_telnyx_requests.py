"""Requests of every kind are understood or refused."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from outdial.simulator.telnyx import requests
from outdial.simulator.telnyx.destinations import countries_of
from outdial.simulator.telnyx.errors import ApiError
from outdial.simulator.telnyx.parameters import Dial
from outdial.simulator.telnyx.requests import Body
from simulator.telnyx.telnyx_requests import REFUSED

PARTIES = {"to": "+12025550100", "from": "+15551230022"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["+12025550100", "wss://voice.example"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(sorted({name for fields, _, _ in REFUSED for name in fields}))


def test_a_call_has_telnyxs_defaults():
    assert requests.dial(Body(PARTIES)) == Dial(to="+12025550100", from_="+15551230022")
    wanted = requests.dial(Body({**PARTIES, "stream_url": "wss://voice.example"})).stream
    assert (wanted.track, wanted.codec, wanted.mode, wanted.bidirectional_codec) == (
        "inbound_track",
        "default",
        "mp3",
        "PCMU",
    )


def test_detection_is_tuned_in_telnyxs_names():
    config = {"total_analysis_time_millis": 5000, "maximum_number_of_words": 3}
    body = {**PARTIES, "answering_machine_detection": "greeting_end", "answering_machine_detection_config": config}
    detection = requests.dial(Body(body)).detection
    assert detection.mode == "greeting_end"
    assert (detection.tuning.total_analysis_time, detection.tuning.maximum_number_of_words) == (5000, 3)


def test_fields_that_are_not_known_are_ignored():
    assert requests.dial(Body({**PARTIES, "from_display_name": "Clinic", "record": None})) == requests.dial(
        Body(PARTIES)
    )


def test_a_number_belongs_to_the_country_of_its_calling_code():
    assert countries_of("+12025550100") == {"US", "CA"}
    assert countries_of("+442079460001") == {"GB"}
    assert countries_of("+351211234567") == {"PT"}
    assert countries_of("+9991234567") == frozenset()


@given(st.dictionaries(FIELDS | st.text(), ANYTHING))
def test_any_json_object_is_a_call_or_refused(values):
    body = Body({**PARTIES, **values})
    for parse in (requests.dial, requests.answer, lambda given: requests.transfer(given, "+12025550100")):
        with suppress(ApiError):
            parse(body)
