"""A model named on the command line: what is wrong with it is told before anything is asked."""

import pytest

from model_server import model_server
from outdial.agents.llm.free_talk import ModelName
from outdial.cli.failures import CommandFailed
from outdial.cli.named_model import agree, cost_of, named_model, usable_model

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("gpt-5-mini", ModelName(name="gpt-5-mini")),
        ("openai:gpt-5-mini", ModelName(name="openai:gpt-5-mini")),
        ("http://127.0.0.1:11434/v1/llama3.2", ModelName(name="llama3.2", base_url="http://127.0.0.1:11434/v1")),
        (
            "https://a.example/api/v1/meta/llama:70b",
            ModelName(name="meta/llama:70b", base_url="https://a.example/api/v1"),
        ),
        ("http://127.0.0.1:11434/v1/", ModelName(name="", base_url="http://127.0.0.1:11434/v1")),
    ],
)
def test_a_model_is_named_by_its_vendor_or_by_its_address(written, model):
    assert named_model(written) == model


@pytest.mark.parametrize(
    "written", ["", "openai:", "two words", "http://127.0.0.1:11434", "ftp://a/v1/x", "http://u:p@a/v1/x"]
)
def test_what_names_no_model_is_refused(written):
    with pytest.raises(CommandFailed, match=r"no model|no address"):
        named_model(written)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("openai:gpt-5-mini", "OPENAI_API_KEY is not set"),
        ("openrouter:x/y", "OPENROUTER_API_KEY is not set"),
        ("nobody:gpt", "no vendor is named 'nobody'"),
        (
            "anthropic:claude-sonnet-4",
            'the library for anthropic isn\'t installed: pip install "pydantic-ai-slim[anthropic]"',
        ),
        ("http://127.0.0.1:9/v1/x", "doesn't answer"),
    ],
)
async def test_a_model_that_can_not_be_used_says_what_is_missing(written, why):
    with pytest.raises(CommandFailed) as refused:
        await usable_model(named_model(written), {})
    assert why in str(refused.value)


async def test_a_server_is_asked_which_models_it_has():
    async with model_server() as simulator:
        url = f"{simulator.base_url}/model/v1"
        found = await usable_model(named_model(f"{url}/simulated-reminder"), {})
        assert found == await usable_model(named_model(url), {})  # its only one
        with pytest.raises(CommandFailed, match=r"has no model gpt-9; .*: it has simulated-reminder"):
            await usable_model(named_model(f"{url}/gpt-9"), {})
        assert list(simulator.model.asked) == []
    with pytest.raises(CommandFailed, match="is not in OUTDIAL_MODEL_SERVERS"):
        await usable_model(found, {}, trusted=False)


def test_what_a_call_may_cost_is_said_where_the_price_is_known():
    known = cost_of(ModelName(name="openai:gpt-5-mini"), at_most_dollars=0.2)
    assert "may cost about $0.0" in known
    assert "$0.20 a call" in known
    assert "knows no price" in cost_of(ModelName(name="llama", base_url="http://a/v1"), at_most_dollars=0.2)


def test_nothing_is_asked_where_nobody_agrees(capsys):
    with pytest.raises(CommandFailed, match="say --yes"):
        agree(ModelName(name="openai:gpt-5-mini"), at_most_dollars=None, yes=False)
    agree(ModelName(name="openai:gpt-5-mini"), at_most_dollars=None, yes=True)
    assert "A real model will be asked: openai:gpt-5-mini" in capsys.readouterr().err
