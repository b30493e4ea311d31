"""Whatever a live call can do, one that hands it on can."""

import inspect
from datetime import UTC, datetime

import pytest

from outdial.conversation.live_call import LiveCall
from outdial.conversation.passed_on import PassedOn
from outdial.conversation.warm import Warm

LISTEN = {"until_silence_s": 0.3, "no_reply_s": 2.0, "max_digits": 4, "asked": object(), "patience": object()}
VERBS = {
    "greeting": (("Hello.",), {}),
    "say": (("Hello.",), {"interruptible": False, "asks": True}),
    "listen": ((), LISTEN),
    "play": (("https://a.example/b.wav",), {"loop": 2, "interruptible": False}),
    "fetch_sound": (("https://a.example/b.wav",), {}),
    "send_digits": (("12#",), {}),
    "transfer": (("+12025550100",), {"failed": "desk", "warm": Warm(brief="Jane.")}),
    "call_back": ((datetime(2026, 1, 31, tzinfo=UTC),), {"promised": True}),
    "hang_up": ((), {}),
}
SEEN = (
    "call_id", "user_id", "last_event", "variables", "noted", "failed_transfer", "answered_by", "whispers", "languages",
)  # fmt: skip


class Call:
    def __init__(self) -> None:
        self.asked: list[tuple] = []
        for name in SEEN:
            setattr(self, name, object())

    def tell(self, *arguments) -> None:
        self.asked.append(("tell", arguments, {}))

    def __getattr__(self, name):
        async def verb(*arguments, **options):
            self.asked.append((name, arguments, options))
            return name

        return verb


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_is_handed_on_as_it_is(verb):
    call, (arguments, options) = Call(), VERBS[verb]
    answer = await getattr(PassedOn(call), verb)(*arguments, **options)
    assert call.asked == [(verb, arguments, options)]
    assert answer == (verb if verb in ("greeting", "say", "listen", "play", "fetch_sound") else None)


def test_nothing_of_a_live_call_is_missing():
    call = Call()
    passed_on = PassedOn(call)
    assert all(getattr(passed_on, name) is getattr(call, name) for name in SEEN)
    passed_on.tell("note", {"a": 1})
    assert call.asked == [("tell", ("note", {"a": 1}), {})]
    call.straight = lambda ears: ("straight", ears)
    assert passed_on.straight("ears") == ("straight", "ears")
    public = {name for name, _ in inspect.getmembers(LiveCall) if not name.startswith("_")}
    assert public | set(LiveCall.__annotations__) == {*VERBS, *SEEN, "tell", "straight"}
