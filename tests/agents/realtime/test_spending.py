"""What is counted of answers whose cost no server tells."""

from outdial.agents.kinds import parse_agent
from outdial.agents.realtime.costs import cost_of_audio
from outdial.agents.realtime.spending import Spending
from tests.agents.realtime.server_in_memory import Server
from tests.agents.realtime.test_run import YAML, talked

OPENAI = "https://api.openai.com/v1"


class Told:
    def __init__(self):
        self.events = []

    def tell(self, name, data):
        self.events.append(data)


def test_an_answer_that_breaks_off_costs_what_the_last_one_read_and_what_was_said():
    call = Told()
    spending = Spending(parse_agent(YAML), call, None, 0.0)
    spending.broken_off()
    assert call.events == []
    spending.answered({"input_tokens": 300, "output_tokens": 50}, calls=False)
    spending.came(1000)
    spending.broken_off()
    assert (call.events[1]["tokens"], call.events[1]["estimated_tokens"], call.events[1]["audio_out"]) == (320, 320, 20)
    assert call.events[1]["dollars"] > 0


def test_writing_down_that_is_paid_by_the_second_is_counted():
    seconds = {"type": "duration", "seconds": 30}
    assert round(cost_of_audio("whisper-1", OPENAI, seconds).dollars, 6) == 0.003
    assert cost_of_audio("my-own", "https://speech.example/v1", seconds).dollars is None
    for wrong in ({}, {"seconds": True}, {"seconds": "3"}, {"seconds": float("nan")}, {"seconds": -1}):
        assert cost_of_audio("whisper-1", OPENAI, wrong) is None


def test_an_answer_that_was_coming_when_the_callee_hung_up_counts():
    phone, _ = talked(Server(), lambda phone: phone.hangs_up(after="Riverside", over=True, pause_s=1))
    [cost] = [data for name, data in phone.events if name == "model"]
    assert cost["tokens"] > 0
