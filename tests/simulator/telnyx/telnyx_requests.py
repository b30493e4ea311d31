"""Calls Telnyx refuses: what is changed in a right one, the error's code, and the field it points at."""

STREAM = {"stream_url": "wss://voice.example"}
DETECT = {"answering_machine_detection": "detect"}

REFUSED = [
    ({"connection_id": None}, "10004", "/connection_id"),
    ({"connection_id": "1"}, "10015", "/connection_id"),
    ({"to": None}, "10004", "/to"),
    ({"to": "12025550100"}, "10016", "/to"),
    ({"to": "+1555"}, "10016", "/to"),
    ({"to": "sip:jane@voice.example"}, "10015", "/to"),
    ({"to": ["+12025550100"]}, "10015", "/to"),
    ({"to": 12025550100}, "10015", "/to"),
    ({"from": None}, "10004", "/from"),
    ({"from": "+1"}, "10016", "/from"),
    ({"client_state": "call_1"}, "10015", "/client_state"),
    ({"timeout_secs": 4}, "10033", "/timeout_secs"),
    ({"timeout_secs": 601}, "10033", "/timeout_secs"),
    ({"timeout_secs": "30"}, "10015", "/timeout_secs"),
    ({"time_limit_secs": 29}, "10033", "/time_limit_secs"),
    ({"retry_on_timeout": "no"}, "10015", "/retry_on_timeout"),
    ({"webhook_url": "nowhere"}, "10015", "/webhook_url"),
    ({"webhook_url_method": "GET"}, "10015", "/webhook_url_method"),
    ({"webhook_urls": {"call.hangup": "nowhere"}}, "10015", "/call.hangup"),
    ({"webhook_retries_policies": {"call.hangup": {"retries_ms": [60_001]}}}, "10015", "/webhook_retries_policies"),
    ({"answering_machine_detection": "maybe"}, "10032", "/answering_machine_detection"),
    ({**DETECT, "answering_machine_detection_config": [1]}, "10015", "/answering_machine_detection_config"),
    (
        {**DETECT, "answering_machine_detection_config": {"initial_silence_millis": -1}},
        "10033",
        "/initial_silence_millis",
    ),
    ({"stream_url": "https://voice.example"}, "10015", "/stream_url"),
    ({"stream_url": "ws://voice.example"}, "10015", "/stream_url"),
    ({**STREAM, "stream_track": "inbound"}, "10032", "/stream_track"),
    ({**STREAM, "stream_codec": "OPUS"}, "10015", "/stream_codec"),
    ({**STREAM, "stream_bidirectional_mode": "RTP"}, "10032", "/stream_bidirectional_mode"),
    ({**STREAM, "stream_auth_token": "x" * 4001}, "10015", "/stream_auth_token"),
    ({"send_digits_on_answer": "12x"}, "10015", "/send_digits_on_answer"),
    ({"send_digits_on_answer": "1" * 65}, "10015", "/send_digits_on_answer"),
    ({"record": "record-from-answer"}, "10015", "/record"),
]
