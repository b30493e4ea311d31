"""Sound files that a relay agent's server wants played: in their turn, looped, interrupted, replaced, and failing."""

import asyncio

import pytest

from outdial.telephony.state import EndReason
from outdial.testing.sounds import SoundsInMemory
from tests.agents.quiet_calls import longest_silence_ms
from tests.agents.relay.test_run import TOKEN, YAML, answering, ends, talked
from tests.agents.relay.written_server import Server

JINGLE = "https://files.example/jingle.mp3"
MUSIC = "https://files.example/music.wav?key=secret"


def plays(source, **how):
    return lambda connection: connection.send({"type": "play", "source": source, **how})


def each(*acts):
    def act(connection):
        for one in acts:
            one(connection)

    return act


def ends_after(phone):
    phone.hangs_up(after="Bye")


def test_a_sound_file_is_played_in_its_turn():
    says = lambda *words: lambda connection: connection.say(*words)  # noqa: E731
    server = answering(each(says("Listen to this."), plays(JINGLE, loop=3), says("Bye.")))
    phone, _ = talked(server, ends_after, sounds=SoundsInMemory({JINGLE: 1500}))
    assert phone.lines[-3:] == ["agent: Listen to this.", "agent: [jingle.mp3]", "agent: Bye."]
    [played] = [turn for turn in phone.turns.values() if turn.text == "[jingle.mp3]"]
    assert played.end_ms - played.start_ms == pytest.approx(4500, abs=40)
    assert phone.sounds.asked == [JINGLE]
    assert not [one for one in server.told if one["type"] in ("error", "interrupt")]


def test_a_server_that_plays_and_says_nothing_else_is_answered():
    server = answering(plays(JINGLE), ends("", "Bye."))
    phone, end = talked(server, lambda phone: phone.says("That was nice.", after="[jingle.mp3]"))
    assert phone.lines[-3:] == ["agent: [jingle.mp3]", "callee: That was nice.", "agent: Bye."]
    assert end.end_reason == EndReason.COMPLETED


def test_who_interrupts_a_sound_is_heard_and_the_server_told_how_long_it_was_played():
    def act(phone):
        phone.says("Stop, please stop this music now.", after="[music.wav]", over=True, pause_s=3.0)
        phone.hangs_up(after="Bye")

    server = answering(each(plays(MUSIC, loop=0), lambda c: c.say("Never said.")), ["Bye."])
    phone, _ = talked(server, act)
    [told] = [one for one in server.told if one["type"] == "interrupt"]
    assert told["utteranceUntilInterrupt"] == ""
    assert 2500 < told["durationUntilInterruptMs"] < 5000
    assert "agent: [music.wav]" in phone.lines
    assert not any("Never said" in line for line in phone.lines)
    assert not any("secret" in line for line in phone.lines)


def test_one_that_may_not_be_interrupted_is_played_to_its_end():
    def act(phone):
        phone.says("Stop, please stop this music now.", after="[music.wav]", over=True, pause_s=1.0)
        phone.hangs_up(after="Bye")

    server = answering(each(plays(MUSIC, interruptible=False), lambda c: c.say("Bye.")))
    phone, _ = talked(server, act, sounds=SoundsInMemory({MUSIC: 6000}))
    assert phone.interrupted == []


@pytest.mark.parametrize("preemptible", [True, False])
def test_what_is_preemptible_makes_way_for_what_comes_next(preemptible):
    def answer(connection, message):
        if message["type"] == "prompt":
            plays(MUSIC, loop=4, preemptible=preemptible)(connection)
            asyncio.get_running_loop().call_later(5.0, connection.say, "Bye.")

    phone, _ = talked(Server(answer, secrets=TOKEN), ends_after, sounds=SoundsInMemory({MUSIC: 3000}))
    [music] = [turn for turn in phone.turns.values() if turn.text == "[music.wav]"]
    if preemptible:
        assert 4000 < music.end_ms - music.start_ms < 5500
    else:
        assert music.end_ms - music.start_ms == pytest.approx(12_000, abs=40)
    assert phone.lines[-1] == "agent: Bye."


def test_a_file_is_preemptible_only_where_its_own_message_says_so():
    says_bye = lambda connection: connection.say("Bye.", preemptible=False)  # noqa: E731
    server = answering(each(plays(MUSIC), says_bye))
    yaml = YAML.replace("relay:\n", "relay:\n  preemptible: true\n")
    phone, _ = talked(server, ends_after, yaml=yaml, sounds=SoundsInMemory({MUSIC: 3000}))
    assert _played_ms(phone) == pytest.approx(3000, abs=40)


@pytest.mark.parametrize(("loop", "played_ms"), [(1, 9000), (0, 5000)])
def test_the_end_comes_after_a_file_that_is_played_once_and_ends_music_without_end(loop, played_ms):
    def answer(connection):
        plays(MUSIC, loop=loop, preemptible=True)(connection)
        asyncio.get_running_loop().call_later(5.0, ends(), connection)

    phone, end = talked(answering(answer), sounds=SoundsInMemory({MUSIC: 9000}))
    assert end.end_reason == EndReason.COMPLETED
    assert _played_ms(phone) == pytest.approx(played_ms, abs=600)


def _played_ms(phone):
    [music] = [turn for turn in phone.turns.values() if turn.text == "[music.wav]"]
    return music.end_ms - music.start_ms


def test_no_callee_waits_in_silence_for_a_file_that_comes_late():
    server = answering(each(plays(JINGLE), lambda c: c.say("Bye.")))
    phone, _ = talked(server, ends_after, sounds=SoundsInMemory(slow={JINGLE: 9.0}))
    assert longest_silence_ms(phone) < 4000
    assert phone.lines[-2:] == ["agent: [jingle.mp3]", "agent: Bye."]


def test_a_file_that_fails_is_told_to_the_server_and_in_the_feed_and_the_call_goes_on():
    server = answering(each(plays(JINGLE), lambda c: c.say("Bye.")))
    phone, _ = talked(server, ends_after, sounds=SoundsInMemory(fail={JINGLE: "http_404"}))
    told = [one["description"] for one in server.told if one["type"] == "error"]
    assert told == ["Audio could not be played: http_404"]
    assert phone.events.count(("sound_failed", {"error": "http_404"})) == 1
    assert phone.lines[-1] == "agent: Bye."


def test_music_without_end_ends_with_the_connection_for_good():
    def begins(connection):
        plays(MUSIC, loop=0)(connection)
        asyncio.get_running_loop().call_later(6.0, lambda: connection.drop(may_again=False))

    phone, end = talked(answering(begins))
    assert (end.end_reason, str(end.error.code)) == (EndReason.FAILED, "agent_failed")
    [music] = [turn for turn in phone.turns.values() if turn.text == "[music.wav]"]
    assert music.end_ms - music.start_ms < 7000
    assert phone.lines[-1].startswith("agent: I'm sorry")


def test_a_call_that_ends_while_a_file_is_fetched_leaves_nothing_behind():
    server = answering(each(lambda c: c.say("Bye."), plays(JINGLE)))
    talked(server, ends_after, sounds=SoundsInMemory(slow={JINGLE: 60.0}))
