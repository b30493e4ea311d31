"""A brain is done with its call: what it hands over is written down, and the callee connected or hung up on."""

from typing import Any

from outdial.agents.brains.definition import BrainAgent
from outdial.agents.brains.duties import Duties
from outdial.agents.brains.parting import noted_of, transfer_of
from outdial.agents.llm.free_talk import TransferTarget
from outdial.agents.llm.texts import number_of
from outdial.conversation.live_call import LiveCall
from outdial.conversation.verb_results import TransferFailed


class Leaving:
    """Of one call. `result`: how the last transfer went that came to nothing; `has_said_so`: the callee was told."""

    def __init__(self, agent: BrainAgent, call: LiveCall, duties: Duties) -> None:
        self.result = ""
        self.has_said_so = False
        self._agent = agent
        self._call = call
        self._duties = duties

    async def part(self, handoff: Any) -> None:
        """Raises CallEnded; returns where the callee is still there, because nobody took it."""
        self._call.noted.update(noted_of(self._agent, handoff))
        target = transfer_of(self._agent, handoff)
        if target is None:
            await self._call.hang_up()
        else:
            await self.transfer(target)

    async def transfer(self, target: TransferTarget, *, left_out: str | None = None) -> None:
        """Raises CallEnded; returns where nobody took the callee, which has been told so. `left_out`: what the brain
        wanted of it that can't be done."""
        if target.say is not None:
            await self._duties.say_written(target.say, interruptible=False)
        number = number_of(target.to, self._call, self._agent.variables)
        warm = None if target.warm is None else target.warm.filled(self._duties.to_say)
        told = {"to": target.name, "done": number is not None}
        self._call.tell("brain_transfer", told if left_out is None else {**told, "left_out": left_out})
        if number is None:
            await self._failed(target, "no_number")
            return
        try:
            await self._call.transfer(number, failed=target.name, warm=warm)
        except TransferFailed as failed:  # the call's record says why
            await self._failed(target, failed.result.value)

    async def back(self, step: str, result: str) -> None:
        """The call is back from a transfer that nobody took."""
        await self._failed(next((one for one in self._agent.transfers if one.name == step), None), result)

    async def _failed(self, target: TransferTarget | None, result: str) -> None:
        self.result = result
        self.has_said_so = target is not None and target.failed is not None
        if target is not None and target.failed is not None:
            await self._duties.say_written(target.failed)
