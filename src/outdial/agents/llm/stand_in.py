"""The model that answers where no real one is to be asked: the simulator's, which follows rules and doesn't think
(docs/simulated-model.md)."""

from outdial.agents.llm.free_talk import ModelName

NAME = "simulated-reminder"
PATH = "/model/v1"


def stand_in(simulator_url: str) -> ModelName:
    return ModelName(name=NAME, base_url=simulator_url.rstrip("/") + PATH)


def is_stand_in(model: ModelName, simulator_url: str | None) -> bool:
    return simulator_url is not None and model.base_url == stand_in(simulator_url).base_url
