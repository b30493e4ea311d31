import io
import json

from rich.console import Console

from outdial.cli.api_client import StreamedEvent
from outdial.cli.narration import Story, tell_json


def story(*events: StreamedEvent) -> list[str]:
    """The printed lines, without their times."""
    output = io.StringIO()
    tell = Story(Console(file=output, width=200))
    for event in events:
        tell(event)
    return [line[10:] for line in output.getvalue().splitlines()]


def turn(seq: int, speaker: str, text: str, **more: object) -> StreamedEvent:
    data = {"seq": seq, "speaker": speaker, "text": text, "interrupted": False, **more}
    return StreamedEvent(type="transcript", data=data)


def test_a_call_reads_like_a_play():
    assert story(
        StreamedEvent(type="placed", data={"call_id": "call_1"}),
        StreamedEvent(type="state", data={"state": "ringing"}),
        StreamedEvent(type="answered_by", data={"category": "human", "evidence": ["twilio:human"]}),
        turn(0, "agent", "Hello Jane."),
        turn(1, "callee", "Hi."),
        StreamedEvent(type="state", data={"state": "ended", "end_reason": "no_answer"}),
    ) == [
        "── accepted as call_1",
        "── ringing",
        "── answered by a human (twilio:human)",
        "Agent   Hello Jane.",
        "Callee  Hi.",
        "── ended: no answer",
    ]


def test_what_was_noted_is_told_and_what_could_not_be_kept():
    dropped = {"count": 1, "values": [{"name": "when", "reason": "is larger than 16000 bytes", "cut": True}]}
    assert story(
        StreamedEvent(type="noted", data={"values": {"outcome": "confirmed"}}),
        StreamedEvent(type="noted_dropped", data=dropped),
    ) == ['── noted {"outcome": "confirmed"}', "── noted values dropped or cut: when"]


def test_a_turn_that_comes_again_is_printed_once():
    assert story(turn(0, "agent", "Hello."), turn(0, "agent", "Hello.", end_ms=900)) == ["Agent   Hello."]


def test_a_turn_that_grows_is_continued():
    assert story(turn(0, "callee", "Yes"), turn(0, "callee", "Yes I do")) == ["Callee  Yes", "Callee  … I do"]


def test_an_interruption_says_how_far_the_agent_came():
    assert story(turn(0, "agent", "Hello Jane, how are you?"), turn(0, "agent", "Hello Jane,", interrupted=True)) == [
        "Agent   Hello Jane, how are you?",
        "Agent   (is interrupted after “Hello Jane,”)",
    ]


def test_a_failure_is_told_with_our_word_and_the_carriers_code():
    error = {"code": "number_invalid", "message": "This isn't a phone number.", "carrier_code": "21217"}
    [line] = story(StreamedEvent(type="state", data={"state": "ended", "end_reason": "failed", "error": error}))
    assert line == "── ended: failed (This isn't a phone number. [number_invalid, 21217])"
    error = {"code": "no_media", "message": "No audio came.", "carrier_code": None}
    [line] = story(StreamedEvent(type="state", data={"state": "ended", "end_reason": "failed", "error": error}))
    assert line == "── ended: failed (No audio came. [no_media])"


def test_the_end_says_by_whom_and_what_came_of_it_and_what_is_known_later():
    ended = {"state": "ended", "end_reason": "completed", "ended_by": "callee", "outcome": "hung_up_early"}
    assert story(
        StreamedEvent(type="state", data=ended),
        StreamedEvent(type="outcome", data={"outcome": "moved", "ended_by": "agent"}),
    ) == ["── ended: completed, by the other party; outcome: hung up early", "── outcome now: moved"]


def test_words_of_a_callee_are_never_taken_for_markup():
    assert story(turn(0, "callee", "[red]no[/red] [/oops]")) == ["Callee  [red]no[/red] [/oops]"]


def test_unknown_events_are_left_out():
    assert story(StreamedEvent(type="something_new", data={})) == []


def test_json_lines_keep_the_type_of_the_event(capsys):
    tell_json(StreamedEvent(type="state", data={"state": "ringing", "event": "not this"}))
    assert json.loads(capsys.readouterr().out) == {"event": "state", "state": "ringing"}


def test_what_becomes_of_a_transfer_is_told():
    to = {"to": "+15551230009", "duration_s": None, "error": None}
    error = {"code": "no_route", "message": "There is no route."}
    told = [
        {"result": None}, {"result": "busy"}, {"result": "no_answer"}, {"result": "declined"},
        {"result": "failed", "error": error}, {"result": "answered"}, {"result": "answered", "duration_s": 12.4},
    ]
    assert story(*(StreamedEvent(type="transfer", data=to | data) for data in told)) == [
        "── transferring to +15551230009",
        "── +15551230009 is busy",
        "── +15551230009 does not answer",
        "── +15551230009 declines",
        "── transfer to +15551230009 failed: There is no route.",
        "── +15551230009 answers the transfer",
        "── +15551230009 talked for 12 s",
    ]


def test_who_is_asked_to_take_a_call_is_told():
    to = {"to": "+15551230009", "duration_s": None, "error": None, "warm": True}
    told = [StreamedEvent(type="transfer", data=to | {"result": result}) for result in (None, "voicemail")]
    assert story(*told) == ["── asking +15551230009 to take the call", "── nobody takes the call at +15551230009"]
