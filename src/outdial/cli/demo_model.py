"""Which model talks in the demo: the simulator's, a stand-in, or a real one that somebody has agreed to pay for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from outdial.agents.llm.free_talk import ModelName
from outdial.agents.llm.stand_in import NAME, PATH, stand_in

KEY = "_API_KEY"        # what variables end with that have vendors' keys
DOLLARS_A_CALL = 0.20  # as agents/examples/model_reminder.yaml has it


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoModel:
    """`server`: the base URL of one with OpenAI's interface, and `key` its key; None for another vendor's."""

    name: ModelName
    is_stand_in: bool
    server: str | None = None
    key: str = ""

    def at(self, simulator_url: str) -> "DemoModel":
        """With the address that the stand-in has once the simulator is started."""
        return replace(self, name=stand_in(simulator_url)) if self.is_stand_in else self

    @property
    def title(self) -> str:
        return f"{self.name.name}{' (a stand-in)' if self.is_stand_in else ''}"

    @property
    def words(self) -> str:
        if not self.is_stand_in:
            return f"The model is {self.name.name}. Every call of this agent asks it, and may cost money."
        return (
            f"The model is a stand-in: {self.name.name} is part of the simulator, answers by rules and doesn't think. "
            "It costs nothing. A real one: outdial demo --agent llm --model openai:gpt-5-mini"
        )

    def as_json(self) -> Mapping[str, Any]:
        return {"name": self.name.name, "base_url": self.name.base_url, "stand_in": self.is_stand_in}


async def chosen_model(written: str | None, keys: Mapping[str, str], *, yes: bool) -> DemoModel:
    """The stand-in where none is written. `keys`: of servers, by base URL. Raises CommandFailed for a model that can't
    be used, or that nobody agrees to pay for."""
    if written is None:
        return DemoModel(name=ModelName(name=NAME), is_stand_in=True)
    from outdial.agents.llm.vendors import ModelServers
    from outdial.cli.named_model import agree, named_model, usable_model

    model = await usable_model(named_model(written), keys)
    agree(model, at_most_dollars=DOLLARS_A_CALL, yes=yes)
    server, key = ModelServers(keys).key_for(model)
    return DemoModel(name=model, is_stand_in=False, server=server, key=key or "")


def with_servers(environ: Mapping[str, str], model: DemoModel | None, simulator_url: str) -> dict[str, str]:
    """The environment of the demo's own server: it may use the simulator's model and the one that was agreed to, and
    has no other keys."""
    servers = {simulator_url + PATH: ""}
    if model is not None and model.server is not None:
        servers[model.server] = model.key
    needs_keys = model is not None and not model.is_stand_in and model.server is None
    kept = {name: value for name, value in environ.items() if needs_keys or not name.endswith(KEY)}
    return kept | {"OUTDIAL_MODEL_SERVERS": json.dumps(servers)}
