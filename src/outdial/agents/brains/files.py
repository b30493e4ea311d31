"""Sound files that a brain wants played: fetched from the moment when they are asked for, played in their turn."""

import asyncio

from outdial.agents.brains.duties import Duties, wait_for
from outdial.agents.llm.quiet import KEEP_S
from outdial.background import Background
from outdial.conversation.live_call import LiveCall
from outdial.conversation.verb_results import Said
from outdial.media.sounds import Sound, SoundFailed

AT_ONCE = 2  # fetched for a call; a brain may queue many


class File:
    """`is_ready` once it can be played, or never will be: then `failed` has a word for it."""

    def __init__(
        self, source: str, *, loop: int = 1, interruptible: bool = True, preemptible: bool = False
    ) -> None:
        self.source = source
        self.loop = loop
        self.interruptible = interruptible
        self.preemptible = preemptible
        self.is_ready = asyncio.Event()
        self.sound: Sound | None = None
        self.failed: str | None = None


class Files:
    """Of one conversation; `aclose` it in the end."""

    def __init__(self, call: LiveCall, duties: Duties) -> None:
        self._call = call
        self._duties = duties
        self._background = Background()
        self._turn = asyncio.Semaphore(AT_ONCE)

    def begin(self, file: File) -> None:
        self._background.start(self._fetch(file), name="sound file of an agent's brain")

    async def wait(self, file: File) -> bool:
        """Until it is ready; the callee is told that it takes a moment. False where they interrupted that."""
        while not await wait_for(file.is_ready, self._duties.quiet.left_s(KEEP_S)):
            if (await self._duties.fill()).interrupted:
                return False
        return True

    async def play(self, file: File) -> Said:
        """One that can be played."""
        assert file.sound is not None
        said = await self._call.play(file.sound, loop=file.loop, interruptible=file.interruptible)
        self._duties.quiet.broken()
        self._duties.was_said(said)
        return said

    async def aclose(self) -> None:
        await self._background.cancel()

    async def _fetch(self, file: File) -> None:
        try:
            async with self._turn:
                file.sound = await self._call.fetch_sound(file.source)
        except SoundFailed as failed:
            file.failed = failed.word
        finally:
            file.is_ready.set()
