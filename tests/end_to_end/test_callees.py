"""Everybody who can be called, as the customer sees the call: what happened, why it ended, who said what."""

import asyncio
from itertools import pairwise
from statistics import median

import httpx
import pytest

from end_to_end.world import CALLEE, REMINDER, SHORT, Audio, Customer, Story, World, loud, sounds
from outdial.speech.offline import OfflineSpeechToText
from outdial.telephony.state import CallState

LASTS_S = 45
TURNS_MS = 300  # what a few turns of a loop take that plays dozens of calls, and has to load what they are played by

VARIABLES = {"user_name": "Jane", "account_type": "Premium"}
GREETING = "Hello Jane, this is the automated assistant of Riverside Dental."
LEAVE_OWN = {"on_machine": "leave_message", "message": "Hello {user_name}, the parcel number {parcel} is here."}

CALLS = {  # the longest first: one begins every second
    "silent": ("11", True),
    "screening": ("09", None),
    "interrupts": ("12", None),
    "human": ("00", None),
    "human, amd": ("00", True),
    "slow": ("01", True),
    "presses": ("14", None),
    "voicemail": ("05", True),
    "voicemail without beep": ("06", True),
    "menu": ("10", None),
    "voicemail, no amd": ("05", None),
    "voicemail, continue": ("05", {"on_machine": "continue"}),
    "stop calling": ("15", None),
    "voicemail, own message": ("05", LEAVE_OWN),
    "hangs up": ("13", None),
    "voicemail, hang up": ("05", {"on_machine": "hang_up"}),
    "fax": ("08", True),
    "rings out": ("04", None),
    "declines": ("02", True),
    "busy": ("03", None),
    "no such number": ("07", None),
}
UNANSWERED = ("declines", "busy", "rings out", "no such number")
ANSWERED = tuple(name for name in CALLS if name not in UNANSWERED)


class Calls:
    """All of them, ended."""

    def __init__(self, world: World, customer: Customer) -> None:
        self.world = world
        self.customer = customer
        self.stories: dict[str, Story] = {}
        self.recordings: dict[str, Audio] = {}
        self.downloads: dict[str, httpx.Response] = {}  # of one recording, by the range asked for
        self.machine_hung_up: Story
        self.message_heard = ""
        self.recognition_ms = 0.0  # what this computer took for that
        self.longest_turn_ms = 0.0  # of the loop, while they were played
        self.asked_again: httpx.Response  # whether whoever wants no more calls may be called
        self.lines_used_after = -1

    def phone(self, name: str) -> Audio:
        """What the phone at the other end said (left) and heard (right)."""
        return self.world.heard(self.stories[name].call)


async def play(world: World) -> Calls:
    calls = Calls(world, await world.customer(REMINDER))
    watching = asyncio.create_task(_watch_turns(calls))
    hangs_up_on_machines = await world.customer(SHORT)

    async def call(place: int, name: str) -> None:
        await asyncio.sleep(place)
        callee, amd = CALLS[name]
        body = {"variables": VARIABLES | {"parcel": "seven"}}
        if name in UNANSWERED:  # who is to answer has the time that this computer takes
            body["ring_timeout_s"] = 5
        if amd is not None:
            body["amd"] = amd
        calls.stories[name] = await calls.customer.call(CALLEE + callee, **body)

    *_, calls.machine_hung_up = await asyncio.gather(
        *(call(place, name) for place, name in enumerate(CALLS)), hangs_up_on_machines.call(CALLEE + "05", amd=True)
    )
    watching.cancel()
    calls.asked_again = await calls.customer.ask(CALLEE + CALLS["stop calling"][0])
    calls.lines_used_after = await calls.customer.used_lines() + await hangs_up_on_machines.used_lines()
    for name, story in calls.stories.items():
        if story.call["recording_url"]:
            calls.recordings[name] = await calls.customer.recording(story.call["id"])
    url = f"{world.base_url}/v1/calls/{calls.stories['human'].call['id']}/recording"
    for asked in ("0-43", "100-", "-100", "0-999999999", "999999999-", "5-2"):
        calls.downloads[f"bytes={asked}"] = await calls.customer.http.get(url, headers={"Range": f"bytes={asked}"})
    calls.downloads["lines=1-2"] = await calls.customer.http.get(url, headers={"Range": "lines=1-2"})
    calls.downloads["whole"] = await calls.customer.http.get(url)
    calls.downloads["another workspace"] = await hangs_up_on_machines.http.get(url)
    async with httpx.AsyncClient(trust_env=False) as stranger:
        calls.downloads["no key"] = await stranger.get(url)
    after_beep = calls.phone("voicemail, own message")
    _, beep_end = sounds(after_beep.left)[-1]
    recognition = OfflineSpeechToText().recognition()
    recognition.feed(after_beep.right[beep_end * 8 :].tobytes())
    clock = asyncio.get_running_loop().time
    began = clock()
    calls.message_heard = await recognition.text()
    calls.recognition_ms = (clock() - began) * 1000
    return calls


async def _watch_turns(calls: Calls) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        await asyncio.sleep(0.02)
        calls.longest_turn_ms = max(calls.longest_turn_ms, (clock() - began) * 1000 - 20)


# -- every call ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
def test_a_call_moves_forward_and_ends_once(outcome: Calls, name: str):
    story = outcome.stories[name]
    order = [list(CallState).index(CallState(state)) for state in story.states]
    assert order == sorted(set(order))
    assert story.states[0] == "queued"
    assert story.states[-1] == story.call["state"] == "ended"
    assert story.named("state")[-1]["end_reason"] == story.end


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("human", ["queued", "dialing", "ringing", "in_progress", "ended"]),
        ("busy", ["queued", "dialing", "ringing", "ended"]),
        ("rings out", ["queued", "dialing", "ringing", "ended"]),
        ("no such number", ["queued", "dialing", "ended"]),
    ],
)
def test_the_feed_tells_each_state(outcome: Calls, name: str, states: list[str]):
    assert outcome.stories[name].states == states


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("human", "completed"),
        ("slow", "completed"),
        ("declines", "declined"),
        ("busy", "busy"),
        ("rings out", "no_answer"),
        ("voicemail", "completed"),
        ("voicemail, hang up", "machine"),
        ("no such number", "failed"),
        ("fax", "machine"),
        ("silent", "completed"),
        ("interrupts", "completed"),
        ("hangs up", "completed"),
        ("presses", "completed"),
        ("stop calling", "completed"),
    ],
)
def test_a_call_says_why_it_ended(outcome: Calls, name: str, reason: str):
    assert outcome.stories[name].end == reason


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("human, amd", "human"),
        ("slow", "human"),
        ("voicemail", "machine"),
        ("voicemail without beep", "machine"),
        ("fax", "fax"),
        ("silent", "unknown"),
        ("human", None),  # nobody asked
        ("voicemail, no amd", "machine"),  # its words told
        ("screening", "screening"),
        ("menu", "menu"),
        ("busy", None),
    ],
)
def test_a_call_says_who_answered(outcome: Calls, name: str, category: str | None):
    assert outcome.stories[name].answered_by == category


@pytest.mark.parametrize("name", UNANSWERED)
def test_a_call_nobody_answers_has_no_transcript_and_no_recording(outcome: Calls, name: str):
    call = outcome.stories[name].call
    assert (call["transcript"], call["recording_url"], call["answered_at"]) == ([], None, None)


def test_a_number_that_does_not_exist_is_explained(outcome: Calls):
    error = outcome.stories["no such number"].call["error"]
    assert (error["code"], error["carrier_code"]) == ("number_not_in_service", "sip_404")
    assert "does not exist" in error["message"]


@pytest.mark.parametrize("name", ANSWERED)
def test_a_transcript_is_whole(outcome: Calls, name: str):
    story = outcome.stories[name]
    assert story.turns or name == "fax", "who is found to be a machine is told nothing, and this one says nothing"
    for turn in story.turns:
        assert turn.end_ms is not None
        assert turn.end_ms >= turn.start_ms
    for speaker in ("agent", "callee"):
        turns = [turn for turn in story.turns if turn.speaker == speaker]
        assert all(earlier.end_ms <= later.start_ms for earlier, later in pairwise(turns))
    grown = {data["seq"]: data["text"] for data in story.named("transcript")}
    told = [grown[seq] for seq in sorted(grown) if grown[seq]]
    assert told == [turn.text for turn in story.turns]


def test_every_line_is_given_back(outcome: Calls):
    assert outcome.lines_used_after == 0


def test_every_call_was_dialled_once(outcome: Calls):
    assert len(outcome.world.dials(outcome.customer)) == len(CALLS)


# -- one by one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["human", "human, amd", "hangs up", "presses", "stop calling"])
def test_a_human_hears_the_whole_greeting(outcome: Calls, name: str):
    greeting = next(turn for turn in outcome.stories[name].turns if turn.speaker == "agent")
    assert (greeting.text, greeting.interrupted) == (GREETING, False)
    start_ms, end_ms = sounds(outcome.phone(name).right, pause_ms=1000)[0]
    assert end_ms - start_ms > greeting.end_ms - greeting.start_ms - 400


@pytest.mark.parametrize("name", ["human", "human, amd"])
def test_a_conversation_comes_to_its_end(outcome: Calls, name: str):
    story = outcome.stories[name]
    assert "Hello." in story.said("callee")
    assert "Yes, that works for me." in story.said("callee")
    assert "Thank you for being one of our Premium patients." in story.said("agent")
    assert "your appointment is confirmed" in story.said("agent")


def test_answers_come_soon(outcome: Calls):
    totals = [
        turn["latency"]["total"]
        for name in ("human", "human, amd", "interrupts")
        for turn in outcome.stories[name].call["transcript"]
        if turn["latency"]
    ]
    assert len(totals) >= 6
    assert median(totals) < 1300 + outcome.recognition_ms


def test_a_slow_human_is_understood(outcome: Calls):
    story = outcome.stories["slow"]
    assert "your appointment is confirmed" in story.said("agent")


def test_a_message_is_left_after_the_beep_and_not_before(outcome: Calls):
    story, audio, phone = outcome.stories["voicemail"], outcome.recordings["voicemail"], outcome.phone("voicemail")
    assert story.call["message_delivered"] is True
    message = story.turns[-1]
    assert message.text.startswith("Hello Jane, this is Riverside Dental. Please call us back")
    beep_start, beep_end = sounds(audio.left, pause_ms=200)[-1]
    assert 450 <= beep_end - beep_start <= 550
    assert beep_end <= message.start_ms < beep_end + 1500
    beep_at_the_machine = sounds(phone.left)[-1][1]
    assert sounds(phone.right, pause_ms=1000)[-1][1] - beep_at_the_machine > 9000  # it has all of it


def test_the_message_of_the_request_is_left_with_its_variables(outcome: Calls):
    story = outcome.stories["voicemail, own message"]
    assert story.call["message_delivered"] is True
    assert story.turns[-1].text == "Hello Jane, the parcel number seven is here."
    assert "parcel number" in outcome.message_heard.lower()


def test_a_voicemail_without_a_beep_gets_the_message_after_its_greeting(outcome: Calls):
    story, phone = outcome.stories["voicemail without beep"], outcome.phone("voicemail without beep")
    assert story.call["message_delivered"] is True
    greeting_end = sounds(phone.left, pause_ms=1000)[-1][1]
    message = story.turns[-1]
    assert "Please call us back" in message.text
    # What was said into the greeting before it was known for one may end shortly before: its pause is in between.
    assert next(start for start, _ in sounds(phone.right, pause_ms=200) if start >= message.start_ms) > greeting_end


@pytest.mark.parametrize("name", ["voicemail, hang up", "fax"])
def test_a_machine_is_hung_up_on_at_the_customers_wish(outcome: Calls, name: str):
    story = outcome.stories[name]
    assert (story.end, story.call["message_delivered"]) == ("machine", None)
    assert outcome.phone(name).duration_ms < 12_000


def test_a_machine_is_hung_up_on_at_the_agents_wish(outcome: Calls):
    assert (outcome.machine_hung_up.end, outcome.machine_hung_up.answered_by) == ("machine", "machine")


def test_a_machine_may_be_talked_to(outcome: Calls):
    story = outcome.stories["voicemail, continue"]
    assert (story.answered_by, story.end) == ("machine", "completed")
    assert "you have reached the voicemail of Jane Miller" in story.said("callee")


def test_a_screening_assistant_is_told_who_calls(outcome: Calls):
    story = outcome.stories["screening"]
    assert "who is calling" in story.said("callee")
    assert "this is the automated assistant of Riverside Dental." in story.said("agent")


def test_a_menu_is_heard(outcome: Calls):
    assert "press" in outcome.stories["menu"].said("callee")


def test_silence_is_asked_about_and_then_said_goodbye_to(outcome: Calls):
    story = outcome.stories["silent"]
    assert story.said("callee") == ""
    assert story.turns[0].text == GREETING
    assert story.turns[-1].text.startswith("I'm sorry, I can't hear you.")


def test_an_interrupted_agent_falls_silent_and_listens(outcome: Calls):
    story, phone = outcome.stories["interrupts"], outcome.phone("interrupts")
    [cut, *_] = [turn for turn in story.turns if turn.interrupted]
    assert GREETING.startswith(cut.text)
    assert len(cut.text) < len(GREETING)
    assert "can I stop you there" in story.said("callee")
    assert "This is the automated assistant of Riverside Dental." in story.said("agent")
    objection = next(stretch for stretch in sounds(phone.left, pause_ms=1000) if stretch[0] > 1500)
    falls_silent = next(end for _, end in sounds(phone.right, pause_ms=200) if end > objection[0])
    # A greeting isn't cut by a mere "hello?", only by a sentence. What the carrier had buffered was dropped, too.
    assert falls_silent - objection[0] < 1600


def test_a_callee_who_hangs_up_ends_the_call(outcome: Calls):
    story = outcome.stories["hangs up"]
    assert (story.end, story.call["error"]) == ("completed", None)
    last = story.turns[-1]
    assert (last.speaker, last.interrupted) == ("agent", True)


def test_digits_answer_questions(outcome: Calls):
    story = outcome.stories["presses"]
    assert "[1]" in story.said("callee")
    assert "your appointment is confirmed" in story.said("agent")
    assert len(story.named("digit")) >= 2


def test_who_wants_no_more_calls_is_asked_nothing_more(outcome: Calls):
    story = outcome.stories["stop calling"]
    assert "Stop calling me." in story.said("callee")
    assert story.turns[-1].text.startswith("I'm sorry for the disturbance.")
    assert story.call["noted"].get("do_not_call") is True


def test_who_wants_no_more_calls_is_called_no_more(outcome: Calls):
    assert outcome.asked_again.status_code == 409
    problem = outcome.asked_again.json()
    assert problem["code"] == "do_not_call"
    assert f"outdial do-not-call remove {CALLEE}15" in problem["message"]


# -- recordings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERED)
def test_a_recording_is_as_long_as_the_call(outcome: Calls, name: str):
    """By the phone's frames, from the first sound on it: the audio connection opens a while after the answer."""
    audio, phone = outcome.recordings[name], outcome.phone(name)
    pairs = ((sounds(phone.right), sounds(audio.right)), (sounds(phone.left), sounds(audio.left)))
    heard, recorded = next(pair for pair in pairs if pair[1])  # of a machine that is hung up on, we say nothing
    before_ms = heard[0][0] - recorded[0][0]
    turns_ms = TURNS_MS + outcome.longest_turn_ms
    assert before_ms > -turns_ms
    assert abs(phone.duration_ms - before_ms - audio.duration_ms) < turns_ms


@pytest.mark.parametrize("name", ANSWERED)
def test_a_call_says_how_long_it_was(outcome: Calls, name: str):
    """By the clock on the wall, to the customer and at the carrier: from when to when each was told."""
    story = outcome.stories[name]
    [attempt] = story.call["attempts"]
    [dial] = [call for call in outcome.world.dials(outcome.customer) if call.id == attempt["carrier_call_id"]]
    at_the_carrier_ms = (dial.ended_at - dial.answered_at).total_seconds() * 1000
    kept_waiting_ms = max(0, at_the_carrier_ms - outcome.phone(name).duration_ms)  # by what else this computer does
    assert abs(story.call["duration_s"] * 1000 - at_the_carrier_ms) < 700 + kept_waiting_ms


@pytest.mark.parametrize("name", ["human", "voicemail, own message", "silent", "stop calling", "slow"])
def test_the_agent_is_heard_on_the_right_when_the_transcript_says_so(outcome: Calls, name: str):
    story, audio = outcome.stories[name], outcome.recordings[name]
    for turn in story.turns:
        if turn.speaker == "agent":
            within = sounds(audio.right[max(0, turn.start_ms - 300) * 8 : (turn.end_ms + 300) * 8])
            assert within, turn
            assert within[0][0] < 600, turn
            assert turn.end_ms + 300 - max(0, turn.start_ms - 300) - within[-1][1] < 600, turn


@pytest.mark.parametrize("name", ["human", "stop calling", "interrupts"])
def test_the_callee_is_heard_on_the_left_when_the_transcript_says_so(outcome: Calls, name: str):
    story, audio = outcome.stories[name], outcome.recordings[name]
    for turn in story.turns:
        if turn.speaker == "callee":
            begin_ms = max(0, turn.start_ms - 300)
            within = sounds(audio.left[begin_ms * 8 : (turn.end_ms + 300) * 8])
            assert within, turn
            assert within[0][0] < 600, turn
            assert turn.end_ms + 300 - begin_ms - within[-1][1] < 800, turn  # voices fade


@pytest.mark.parametrize("name", ["human", "interrupts", "voicemail"])
def test_a_recording_has_the_sound_of_the_phone(outcome: Calls, name: str):
    """Neither too quiet nor clipped, and with as much sound in it as the phone said and heard."""
    audio, phone = outcome.recordings[name], outcome.phone(name)
    for ours, theirs in ((audio.left, phone.left), (audio.right, phone.right)):
        assert 3000 < abs(ours.astype(int)).max() < 32_700
        since_the_stream_began = theirs[-len(ours) :]
        assert loud(ours).sum() == pytest.approx(loud(since_the_stream_began).sum(), rel=0.1)


def test_only_who_interrupts_speaks_into_the_agents_words(outcome: Calls):
    for name in ("human", "stop calling", "presses"):
        phone = outcome.phone(name)
        _, greeting_end = sounds(phone.right)[0]  # "Hello?" is said into it
        both = (loud(phone.left) & loud(phone.right))[greeting_end // 20 :]
        assert both.sum() * 20 <= 300, name


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        ("bytes=0-43", 206, 0, 44),
        ("bytes=100-", 206, 100, None),
        ("bytes=-100", 206, -100, None),
        ("bytes=0-999999999", 206, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=999999999-", 416, 0, 0),
        ("bytes=5-2", 416, 0, 0),
    ],
)
def test_parts_of_a_recording_can_be_asked_for(outcome: Calls, asked: str, status: int, begin: int, end: int | None):
    whole = outcome.downloads["whole"].content
    part = outcome.downloads[asked]
    assert part.status_code == status
    if status != 416:
        assert part.content == whole[begin:end]
    if status == 206:
        size = len(part.content)
        start = begin if begin >= 0 else len(whole) + begin
        assert part.headers["content-range"] == f"bytes {start}-{start + size - 1}/{len(whole)}"
    else:
        assert part.headers.get("content-range") in (None, f"bytes */{len(whole)}")


def test_only_its_own_workspace_gets_a_recording(outcome: Calls):
    assert outcome.downloads["another workspace"].status_code == 404
    assert outcome.downloads["no key"].status_code == 401


def test_nothing_unfinished_is_left_in_the_recordings(outcome: Calls):
    assert not list(outcome.world.outdial.services.recordings.folder.rglob("*.part"))
