"""What the callee means by what it says, who has been waited for where that was asked for."""

from outdial.agents.script.attempts import MAX_HELD
from outdial.agents.script.model import Ask, Script
from outdial.agents.script.replies import Replies, Reply, is_silent
from outdial.agents.script.typed import Listen, TypedAnswers
from outdial.conversation.live_call import Heard, LiveCall
from outdial.conversation.understanding.meaning import SOMEBODY_ELSE, Kind
from outdial.telephony.outcome import NAMED


class Understanding:
    """Of one call."""

    def __init__(self, script: Script, call: LiveCall, replies: Replies, typed: TypedAnswers, listen: Listen) -> None:
        self._script = script
        self._call = call
        self._replies = replies
        self._typed = typed
        self._listen = listen

    async def of(self, heard: Heard, ask: Ask | None) -> Reply:
        """Ends the call where there is nobody to talk to."""
        reply = self._replies.reply(await self._typed.whole(heard, ask), ask)
        for _ in range(MAX_HELD):
            if reply.kind is not Kind.WAIT:
                break
            await self._call.say(self._replies.words("of_course"))
            heard = await self._listen(self._script.hold_s, ask)
            if is_silent(heard):
                return self._replies.away()
            if self._replies.is_back(heard):
                return self._replies.back()
            reply = self._replies.reply(await self._typed.whole(heard, ask), ask)
        if reply.kind in SOMEBODY_ELSE and reply.answer is None:
            self._call.noted[NAMED] = reply.kind.value
            await self._call.say(self._replies.words(reply.kind.value), interruptible=False)
            await self._call.hang_up()
        return reply
