"""A Voiceflow project in memory: what each turn brings a test has written, and what it was asked is kept."""

import asyncio

from outdial.agents.brains.reaching import BrainAway
from outdial.agents.tools.access import NoTools


class Slow:
    """So much time goes by before the next trace."""

    def __init__(self, seconds):
        self.seconds = seconds


class Fails:
    def __init__(self, word="http_500", *, may_again=False):
        self.word, self.may_again = word, may_again


class ProjectInMemory(NoTools):
    """`turns`: a list of traces each. `asked`: the actions, `sent` the variables that came with them."""

    def __init__(self, *turns, state=None):
        self.asked, self.sent, self.broken_off = [], [], 0
        self.forgotten = 0
        self.told_after_s = 0.0  # its state, when it is asked for
        self.project = None
        self._turns = list(turns)
        self._state = state or {}
        self.brains = self
        self.secrets = self._reveal

    async def _reveal(self, names, host):
        self.host = host
        return {name: f"VF.DM.{name}" for name in names}

    def door(self, project):
        self.project = project
        return self

    async def turn(self, action, variables):
        self.asked.append(dict(action))
        self.sent.append(dict(variables))
        whole = False
        try:
            for trace in self._turns.pop(0) if self._turns else []:
                match trace:
                    case Slow():
                        await asyncio.sleep(trace.seconds)
                    case Fails():
                        raise BrainAway(trace.word, may_again=trace.may_again)
                    case _:
                        yield trace
            whole = True
        finally:
            self.broken_off += not whole

    async def forget(self):
        self.forgotten += 1

    async def variables(self):
        await asyncio.sleep(self.told_after_s)
        return self._state


def text(words):
    return {"type": "text", "payload": {"message": words}}


def speak(words):
    return {"type": "speak", "payload": {"type": "message", "message": words}}


def pieces(*words):
    inner = [{"type": "completion", "payload": {"state": "content", "content": one}} for one in words]
    start, end = ({"type": "completion", "payload": {"state": state}} for state in ("start", "end"))
    return [start, *inner, end]


END = {"type": "end"}
