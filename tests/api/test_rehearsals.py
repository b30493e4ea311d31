from dataclasses import replace

import pytest

from outdial.agents.script.examples import load_example
from outdial.rehearsals.stage import Stage

SOURCE = load_example("appointment_reminder")
REHEARSALS = load_example("appointment_reminder.rehearsals")


async def test_a_script_is_rehearsed_without_being_saved(client):
    answer = await client.post("/v1/agents/rehearse", json={"source": SOURCE, "rehearsals": REHEARSALS})
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["errors"], report["failed"]) == ([], 0)
    assert report["passed"] == len(report["rehearsals"]) >= 10
    first = report["rehearsals"][0]
    assert (first["passed"], first["wrong"], first["outcome"], first["ended_by"]) == (True, None, "confirmed", "agent")
    assert [step["step"] for step in first["path"]] == ["greeting", "reminder", "confirmed"]
    assert [turn["speaker"] for turn in first["turns"]][:3] == ["agent", "agent", "callee"]
    wrong = REHEARSALS.replace("outcome: not_now", "outcome: now")
    report = (await client.post("/v1/agents/rehearse", json={"source": SOURCE, "rehearsals": wrong})).json()
    [failed] = [one for one in report["rehearsals"] if not one["passed"]]
    assert failed["wrong"] == "outcome is 'not_now', not 'now'"
    assert wrong.splitlines()[failed["line"] - 1].strip() == "outcome: now"


async def test_what_can_not_be_rehearsed_is_told_with_its_line(client):
    report = (await client.post("/v1/agents/rehearse", json={"source": "steps: {}", "rehearsals": "a: 1"})).json()
    assert [(one["part"], one["line"]) for one in report["errors"]] == [("script", 1), ("rehearsals", 1)]
    assert report["rehearsals"] == []
    answer = await client.post("/v1/agents/rehearse", json={"source": SOURCE, "rehearsals": "a" * 200_001})
    assert answer.status_code == 422


async def test_a_call_goes_on_line_by_line(client):
    async def talk(*lines):
        body = {"source": SOURCE, "variables": {"user_name": "Ann"}, "lines": list(lines)}
        answer = await client.post("/v1/agents/talk", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["call"]

    begun = await talk()
    assert begun["awaits_callee"]
    assert begun["turns"][-1]["text"] == "Am I speaking with Ann?"
    on = await talk({"says": "Yes."}, {"presses": "1"})
    assert on["turns"][: len(begun["turns"])] == begun["turns"]
    assert [(one["step"], one["led_by"]) for one in on["path"]] == [
        ("greeting", None),
        ("reminder", "yes"),
        ("confirmed", "yes"),
    ]
    over = await talk({"says": "Yes."}, {"presses": "1"}, {"silent": True})
    assert (over["awaits_callee"], over["ended_by"], over["outcome"]) == (False, "agent", "confirmed")
    assert (await talk({"hangs_up": True}))["ended_by"] == "callee"


async def test_there_is_no_talk_with_a_script_that_has_a_fault(client):
    answer = await client.post("/v1/agents/talk", json={"source": "steps: {}"})
    assert answer.json() == {
        "errors": [{"part": "script", "line": 1, "message": "a script needs at least one step"}],
        "call": None,
    }


@pytest.mark.parametrize(
    "line",
    [
        {}, {"says": "a", "presses": "1"}, {"presses": "one"}, {"presses": "1 or 2"}, {"presses": "1\n"},
        {"presses": "1" * 41}, {"says": ""}, {"silent": False}, {"shouts": "a"},
    ],
)  # fmt: skip
async def test_a_line_is_one_thing_that_the_callee_does(client, line):
    answer = await client.post("/v1/agents/talk", json={"source": SOURCE, "lines": [line]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("lines")


async def test_a_workspace_rehearses_so_much_a_minute(app, client, services):
    app.state.services = replace(services, stage=Stage(per_minute=2))
    bodies = {"rehearse": {"source": SOURCE, "rehearsals": REHEARSALS}, "talk": {"source": SOURCE}}
    for what in ("rehearse", "talk"):
        assert (await client.post(f"/v1/agents/{what}", json=bodies[what])).status_code == 200
    refused = await client.post("/v1/agents/talk", json=bodies["talk"])
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_rehearsals")
    assert int(refused.headers["Retry-After"]) > 0


async def test_rehearsals_that_take_too_long_are_given_up(client, monkeypatch):
    monkeypatch.setattr("outdial.rehearsals.stage.LONGEST_S", 0)
    report = (await client.post("/v1/agents/rehearse", json={"source": SOURCE, "rehearsals": REHEARSALS})).json()
    assert {one["wrong"] for one in report["rehearsals"]} == {"this took too long, and was given up"}
