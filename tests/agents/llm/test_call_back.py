"""A callee who wants to be called back: when that is, what it is told, and that it is done once, when it was heard."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agents.llm.test_run import AGENT, talk, told
from outdial.agents.llm.call_back import in_words, read_time, zones_for
from outdial.agents.review import review_agent
from outdial.agents.tools.asks import NotPossible
from outdial.telephony.outcome import CALL_BACK
from outdial.testing.phone import Phone
from outdial.testing.written_model import WrittenModel, calls

NOW = datetime(2026, 2, 1, 15, 0, tzinfo=UTC)
NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
WITH_CALL_BACK = AGENT.replace("[send_digits, wait]", "[send_digits, wait, call_back]")


@pytest.mark.parametrize(
    ("text", "zones", "utc"),
    [
        ("2026-02-03T15:00", (NEW_YORK,), "2026-02-03T20:00"),
        ("2026-02-03T15:00", (BERLIN,), "2026-02-03T14:00"),
        ("2026-02-03T15:00-08:00", (NEW_YORK,), "2026-02-03T23:00"),
        ("2026-02-03T15:00Z", (), "2026-02-03T15:00"),
        ("2026-02-03 15:00:00", (ZoneInfo("America/Detroit"), NEW_YORK), "2026-02-03T20:00"),  # the same clock
    ],
)
def test_a_time_is_the_callees_own(text, zones, utc):
    at = read_time(text, zones, NOW)
    assert at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M") == utc


@pytest.mark.parametrize(
    ("text", "zones", "reason"),
    [
        ("tomorrow at three", (NEW_YORK,), "a date and a time of day"),
        ("2026-02-03", (NEW_YORK,), "a date and a time of day"),
        ("2026-02-01T09:59", (NEW_YORK,), "That has passed. For the callee it is Sunday 2026-02-01T10:00"),
        ("2026-03-20T15:00", (NEW_YORK,), "at most 30 days"),
        ("2026-02-03T15:00", (), "time zone isn't known. Ask for it"),
        ("2026-02-03T15:00", (NEW_YORK, ZoneInfo("America/Chicago")), "perhaps America/New_York, America/Chicago"),
        ("2026-02-03T25:00", (NEW_YORK,), "a date and a time of day"),
    ],
)
def test_what_is_doubtful_is_asked_for(text, zones, reason):
    with pytest.raises(NotPossible) as why:
        read_time(text, zones, NOW)
    assert reason in str(why.value)


@pytest.mark.parametrize(
    ("text", "now", "reason"),
    [("2026-03-08T02:30", "2026-03-07T12:00", "no such time"), ("2026-11-01T01:30", "2026-10-31T12:00", "comes twice")],
)
def test_times_that_clocks_skip_or_repeat_are_asked_for(text, now, reason):
    with pytest.raises(NotPossible, match=reason):
        read_time(text, (NEW_YORK,), datetime.fromisoformat(now).replace(tzinfo=UTC))


def test_the_zone_is_that_of_the_variable_else_of_the_number():
    assert zones_for("+442079460000", {}) == (ZoneInfo("Europe/London"),)
    assert zones_for("+442079460000", {"time_zone": "Europe/Berlin"}) == (BERLIN,)
    assert zones_for("+442079460000", {"time_zone": "../etc/passwd"}) == (ZoneInfo("Europe/London"),)
    assert len(zones_for("+18005550100", {})) != 1


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en-US", "I'll call you back on Tuesday, February 3, at 3:30 PM."),
        ("de-DE", "Ich rufe Sie am Dienstag, den 3. Februar, um 15:30 Uhr wieder an."),
        ("es-ES", "Le volveré a llamar el martes 3 de febrero a las 15:30."),
        ("fr-FR", "Je vous rappellerai le mardi 3 février à 15 heures 30."),
    ],
)
def test_it_is_said_in_our_words(language, words):
    assert in_words(datetime(2026, 2, 3, 15, 30, tzinfo=NEW_YORK), language) == words


# -- on a call ---------------------------------------------------------------------------------------------------


def tomorrow() -> str:
    return f"{datetime.now(NEW_YORK) + timedelta(days=1):%Y-%m-%d}T15:00"


def wanted(at: str, *more: str) -> WrittenModel:
    goodbye = [calls("hang_up", goodbye="Goodbye!", outcome="declined")]
    return WrittenModel([["Of course.", calls("call_back", at=at)], *more, goodbye])


def callee(phone: Phone) -> None:
    phone.says("I can't talk now, call me tomorrow at three.", after="Tuesday")
    phone.says("Yes, thank you.", after="call you back")


def test_it_is_arranged_once_the_callee_has_heard_when():
    model = wanted(tomorrow())
    phone, _ = talk([model], callee, source=WITH_CALL_BACK, time_zone="America/New_York")
    [at] = phone.called_back_at
    assert at == datetime.fromisoformat(tomorrow()).replace(tzinfo=NEW_YORK)
    said = [line for line in phone.lines if "call you back" in line]
    assert said == [f"agent: {in_words(at, 'en')}"]
    assert phone.noted[CALL_BACK] == at.isoformat()
    [tool, _] = told(phone, "tool")
    assert tool == {"tool": "call_back", "arguments": {"at": at.isoformat()}, "done": True}
    assert told(phone, "call_back") == [{"at": at.isoformat()}]
    assert "now, as the call begins" in model.asked[0].instructions


def test_it_is_arranged_also_where_the_model_hangs_up_before_it_says_so():
    goodbye = calls("hang_up", goodbye="Goodbye!", outcome="declined")
    model = WrittenModel([["I will.", goodbye, calls("call_back", at=tomorrow())]])
    phone, _ = talk([model], callee, source=WITH_CALL_BACK, time_zone="America/New_York")
    assert len(phone.called_back_at) == 1
    assert [one["tool"] for one in told(phone, "tool")] == ["call_back", "hang_up"]
    assert "agent: Goodbye!" in phone.lines


def test_nobody_is_promised_a_call_who_wants_no_more_of_them():
    model = WrittenModel([[calls("call_back", at=tomorrow()), calls("do_not_call")]])
    phone, _ = talk(
        [model], lambda phone: phone.says("Leave this family in peace for good.", after="Tuesday"),
        source=WITH_CALL_BACK, time_zone="America/New_York",
    )  # fmt: skip
    assert not any("call you back" in line for line in phone.lines)
    assert phone.called_back_at == []
    assert phone.noted == {"do_not_call": True}


def test_what_was_noted_along_with_a_call_back_is_kept_where_it_is_refused():
    def refusing(phone):
        phone.refuses_call_back = "There can be no more calls today."
        phone.says("We will be three. Call me tomorrow at three.", after="Tuesday")
        phone.says("All right then.", after="not possible")

    model = WrittenModel([
        [calls("call_back", at=tomorrow()), calls("note", party_size=3)],
        "I'm afraid that is not possible.",
        [calls("hang_up", goodbye="Goodbye!", outcome="declined")],
    ])  # fmt: skip
    phone, _ = talk([model], refusing, source=WITH_CALL_BACK, time_zone="America/New_York")
    assert phone.noted == {"party_size": 3, "outcome": "declined"}


def test_who_speaks_into_it_has_not_heard_it_and_nothing_is_arranged():
    def interrupting(phone):
        phone.says("I can't talk now, call me tomorrow at three.", after="Tuesday")
        phone.says("No, actually make it the day after that, please.", after="call you", over=True, pause_s=0.3)

    model = wanted(tomorrow())
    phone, _ = talk([model], interrupting, source=WITH_CALL_BACK, time_zone="America/New_York")
    assert phone.called_back_at == []
    assert CALL_BACK not in phone.noted
    assert told(phone, "tool")[0]["done"] is False
    assert any("no call back is arranged yet" in str(one) for one in model.asked[1].messages)


def test_nobody_is_promised_what_a_rule_is_against():
    def refusing(phone):
        phone.refuses_call_back = "There can be no more calls today."
        phone.says("I can't talk now, call me tomorrow at three.", after="Tuesday")
        phone.says("All right then.", after="not possible")

    model = wanted(tomorrow(), "I'm afraid that is not possible.")
    phone, _ = talk([model], refusing, source=WITH_CALL_BACK, time_zone="America/New_York")
    assert not any("call you back" in line for line in phone.lines)
    assert phone.called_back_at == []
    assert any("no more calls today" in str(one) for one in model.asked[1].messages)


def test_an_agent_that_does_not_declare_it_can_not_do_it():
    def callee(phone):
        phone.says("Call me tomorrow at three.", after="Tuesday")

    model = WrittenModel([[calls("call_back", at=tomorrow())], [calls("hang_up", goodbye="Bye!", outcome="declined")]])
    phone, _ = talk([model], callee, time_zone="America/New_York")
    assert phone.called_back_at == []
    assert "call_back" not in {tool.name for tool in model.asked[0].tools}
    assert any("no such tool" in str(one) for one in model.asked[1].messages)


def test_what_outdial_notes_itself_is_no_fact():
    [error] = review_agent(WITH_CALL_BACK.replace("party_size:", "call_back_at:"))["errors"]
    assert "is noted by Outdial itself" in error["message"]
