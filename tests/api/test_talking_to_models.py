"""Talks with agents that have a model, over the API."""

import asyncio
from dataclasses import replace

import pytest

from outdial.agents.llm.stand_in import NAME, PATH, stand_in
from outdial.agents.script.examples import load_example
from outdial.agents.spend_meters import SpendMeters
from outdial.cli.stand_in_model import StandInModel
from outdial.policy.spending import change_spend_limit
from outdial.rehearsals.stage import Stage
from outdial.simulator.model.rest import PATH as SIMULATORS_PATH
from outdial.simulator.model.rule_files import default_models
from outdial.testing.written_model import WrittenModel, calls, means
from outdial.workspaces.access import Role, Scope
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE

SOURCE = load_example("model_reminder")
SIMULATOR = "http://127.0.0.1:8090"


class Servers:
    """Opens these models, whatever is asked for."""

    def __init__(self, models, usable):
        self.models = models
        self.usable = usable

    def allows(self, model):
        return model.name in self.usable

    def open(self, models):
        return self.models if models else []


@pytest.fixture
def staged(app, services):
    def staged(*models, usable=("gpt-5-mini",), simulator_url=None, meter=None):
        app.state.services = replace(
            services, stage=Stage(servers=Servers(list(models), usable), meter=meter, simulator_url=simulator_url)
        )

    return staged


async def talk(client, *lines, answers=(), source=SOURCE):
    body = {"source": source, "variables": {"user_name": "Ann"}, "lines": list(lines), "answers": list(answers)}
    return await client.post("/v1/agents/talk", json=body)


async def test_a_model_answers_and_is_not_asked_for_what_is_sent_along(client, staged):
    model = WrittenModel(["Will you come?", "Fine. Goodbye."], first_s=0, word_s=0, tokens=9)
    staged(model)
    begun = (await talk(client)).json()["call"]
    assert begun["turns"][0]["text"].endswith("Am I speaking with Ann?")
    assert (begun["answers"], begun["model"]) == ([], {"name": "gpt-5-mini", "stand_in": False})
    on = (await talk(client, {"says": "Yes."})).json()["call"]
    assert [(one["says"], one["tokens"]) for one in on["answers"]] == [("Will you come?", 9)]
    more = (await talk(client, {"says": "Yes."}, {"says": "I will."}, answers=on["answers"])).json()["call"]
    assert [one["says"] for one in more["answers"]] == ["Will you come?", "Fine. Goodbye."]
    assert len(model.asked) == 2


async def test_a_script_is_talked_to_whose_model_understands_and_talks(client, staged):
    """Each answer is asked for once, whoever of the two it was for."""
    later = [calls("note", first_day="Friday"), calls("exit", to="agreed")]
    model = WrittenModel([[means("talk")], "On which day?", later], first_s=0, word_s=0)
    staged(model)
    lines, call, source = [], {"answers": []}, load_example("payment_plan")
    for line in ("Yes.", "Yes.", "Maybe in smaller bites.", "Friday.", "Yes, I agree.", "Bye."):
        lines.append({"says": line})
        call = (await talk(client, *lines, answers=call["answers"], source=source)).json()["call"]
        assert len(model.asked) == len(call["answers"])
    assert [one["step"] for one in call["path"]] == ["greeting", "consent", "offer", "arrange", "terms"]
    assert (call["outcome"], call["noted"]["first_day"], len(model.asked)) == ("agreed", "Friday", 3)


async def test_what_a_talk_costs_counts_for_the_workspace_and_ends_at_its_limit(client, staged, engine, tenant):
    await change_spend_limit(engine, tenant.workspace_id, dollars=None, tokens=10, by=COMMAND_LINE)
    meters = SpendMeters(engine)
    model = WrittenModel(["Will you come?", "Fine."], first_s=0, word_s=0, tokens=10)
    staged(model, meter=meters.of)
    on = (await talk(client, {"says": "Yes."})).json()["call"]
    await meters.aclose()
    refused = await talk(client, {"says": "Yes."}, {"says": "Yes."}, answers=on["answers"])
    assert (refused.status_code, refused.json()["code"], len(model.asked)) == (429, "spend_limit", 1)


async def test_the_simulators_model_stands_in_where_the_agents_own_can_not_be_used(client, staged):
    assert (default_models()[0].name, SIMULATORS_PATH) == (NAME, PATH)
    staged(
        StandInModel(replace(default_models()[0], first_token_s=0, token_s=0)), usable=(NAME,), simulator_url=SIMULATOR
    )
    call = (await talk(client, {"says": "Wrong number."})).json()["call"]
    assert call["model"] == {"name": NAME, "stand_in": True}
    assert [one["tool"] for one in call["tools"]] == ["hang_up"]
    assert call["noted"] == {"outcome": "wrong_person"}
    assert stand_in(SIMULATOR).base_url == f"{SIMULATOR}/model/v1"


async def test_without_a_model_that_can_be_used_the_line_is_named(client):
    [error] = (await talk(client)).json()["errors"]
    assert SOURCE.splitlines()[error["line"] - 1] == "model: gpt-5-mini"
    assert "OUTDIAL_MODEL_SERVERS" in error["message"]


async def test_whoever_may_not_write_agents_asks_no_model(client, staged, browser_of, tenant, engine):
    model = WrittenModel(["Will you come?"], first_s=0, word_s=0)
    staged(model)
    viewer = await browser_of(Role.VIEWER)
    assert (await talk(viewer, {"says": "Yes."})).json()["code"] == "role_too_low"
    read = await create_api_key(engine, tenant.workspace_id, name="r", scope=Scope.READ, by=COMMAND_LINE)
    client.headers["Authorization"] = read["key"]
    assert (await talk(client, {"says": "Yes."})).status_code == 403
    assert model.asked == []
    script = {"source": load_example("appointment_reminder")}
    assert (await client.post("/v1/agents/talk", json=script)).status_code == 200


async def test_a_workspace_talks_to_few_models_at_once(client, staged):
    asked, go_on = asyncio.Semaphore(0), asyncio.Event()

    class Slow(WrittenModel):
        async def ask(self, request):
            asked.release()
            await go_on.wait()
            async for piece in super().ask(request):
                yield piece

    staged(Slow(["Yes?", "Yes?"], first_s=0, word_s=0))
    async with asyncio.TaskGroup() as group:
        talks = [group.create_task(talk(client, {"says": "Yes."})) for _ in range(2)]
        for _ in talks:
            await asked.acquire()
        refused = await talk(client, {"says": "Yes."})
        go_on.set()
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_talks")
    assert [one.result().status_code for one in talks] == [200, 200]
    assert (await talk(client)).status_code == 200


@pytest.mark.parametrize(
    "answer", [{"says": 1}, {"says": "a" * 20_001}, {"calls": [{"tool": "a"}]}, {"dollars": -1}, {"thinks": "a"}]
)
async def test_answers_are_as_a_talk_has_them(client, answer):
    assert (await talk(client, answers=[answer])).status_code == 422
