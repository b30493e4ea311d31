"""The models that one call of a script may ask, and when they are made ready."""

import asyncio
from collections.abc import Iterable, Sequence

from outdial.agents.llm.chat import Model
from outdial.agents.llm.free_talk import ModelName
from outdial.agents.script.checks import actions_of, models_of, targets_of
from outdial.agents.script.model import Action, Ask, Script, Step, Talk, Understand

WARM_S = 60.0  # a connection that was made ready may be closed again after that


class ScriptModels:
    """`models`: in the order of `models_of`; raises ValueError where they are more or fewer."""

    def __init__(self, script: Script, models: Sequence[Model]) -> None:
        self._script = script
        names = models_of(script)
        if len(models) != len(names):
            raise ValueError(f"this script asks {len(names)} models, and {len(models)} are there")
        self._by_name = dict(zip(names, models, strict=True))
        self._lists: dict[tuple[ModelName, ...], list[Model]] = {}
        self._warming: dict[ModelName, tuple[float, asyncio.Task[None]]] = {}

    @property
    def are_asked(self) -> bool:
        """Whether the script may ask any."""
        return bool(self._by_name)

    def named(self, names: tuple[ModelName, ...]) -> list[Model]:
        """The same list for the same names: which of them fail is remembered in it."""
        if names not in self._lists:
            self._lists[names] = [self._by_name[name] for name in names]
        return self._lists[names]

    def entering(self, step: Step) -> None:
        """Makes ready what this step asks, and what the steps ask that it may lead to."""
        blocks = (step.block, *(self._script.steps[name].block for name in targets_of(step.block)))
        for name in _first_asked(self._script, (action for block in blocks for action in actions_of(block))):
            now = asyncio.get_running_loop().time()
            since, _ = self._warming.get(name, (None, None))
            if since is None or now - since > WARM_S:
                task = asyncio.create_task(self._by_name[name].warm_up(), name="warming up a model")
                self._warming[name] = now, task

    def close(self) -> None:
        for _, task in self._warming.values():
            task.cancel()


def _first_asked(script: Script, actions: Iterable[Action]) -> set[ModelName]:
    """Of each, the model that is asked before its fallback."""
    found = set()
    for action in actions:
        match action:
            case Talk(talk=talk):
                found.add(talk.models[0])
            case Ask(understand=Understand.MODEL):
                found.add(script.models[0])
    return found
