"""What a realtime model's server knows of the conversation: of one call, whatever became of its sessions."""

from outdial.agents.llm.chat import CalleeSaid, Message, Remark, ToolCall
from outdial.agents.llm.history import shortened
from outdial.agents.realtime import protocol
from outdial.agents.realtime.items import answer, items_of
from outdial.agents.realtime.link import Link

BROKE_OFF = Remark(
    "The connection to you broke off for a moment. What the callee said just then may be lost: go on, and ask them to "
    "say it again if you need it."
)


class Knowing:
    """`history` is what was said so far, and grows. `link` is set before anything is told."""

    def __init__(self, history: list[Message]) -> None:
        self.history = history
        self.link: Link
        self._untold: list[Message] = []  # of the history
        self._session = 0                 # that has the rest of it

    @property
    def session(self) -> int:
        """The server's, by its number."""
        return self.link.sessions

    @property
    def has_begun(self) -> bool:
        """Whether any session knew of the call."""
        return self._session > 0

    @property
    def is_told(self) -> bool:
        """Whether this one does."""
        return self.link.is_up and self._session == self.session

    def tell(self, *messages: Message) -> None:
        """They are part of the conversation, and the server is to know."""
        self.history += messages
        self._untold += messages

    def has(self, message: Message) -> None:
        """The server knows it: it has heard it, or said it."""
        self.history.append(message)

    def tell_also(self, message: Message) -> None:
        """What stands in the history, and the server doesn't know."""
        self._untold.append(message)

    def tell_from(self, place: int) -> None:
        """The history has grown from there on."""
        self._untold += self.history[place:]

    def words_of(self, said: CalleeSaid, text: str) -> None:
        """What a message of the history was, once that is known."""
        place = next((at for at, one in enumerate(self.history) if one is said), None)
        if place is not None:
            self.history[place] = CalleeSaid(text)

    def answer(self, call: ToolCall, text: str, session: int) -> None:
        """Of a tool that was called in this `session`: another one has it with all the rest."""
        if session == self.session:
            self.link.send(protocol.create_item(answer(call, text)))

    def sync(self) -> None:
        if self._untold and self.is_told:
            for item in items_of(self._untold):
                self.link.send(protocol.create_item(item))
            self._untold.clear()

    def begin_session(self) -> None:
        """One that knows nothing of the call."""
        for item in items_of(shortened(self.history)):
            self.link.send(protocol.create_item(item))
        self._untold.clear()
        self._session = self.session
