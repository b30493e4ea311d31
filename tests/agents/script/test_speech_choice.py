import pytest

from outdial.agents.kinds import parse_agent
from outdial.agents.llm.parse import parse_llm
from outdial.agents.python.decorator import agent
from outdial.agents.script.model import ScriptError
from outdial.agents.script.parse import parse_script
from outdial.speech.choice import NO_CHOICE, RecognitionChoice

STEPS = "steps: {a: {hang_up: Bye.}}"


def speech(section: str):
    return parse_script(f"agent:\n{section}\n{STEPS}\n").speech


def test_who_chooses_nothing_has_the_process_s_speech():
    assert parse_script(STEPS).speech == NO_CHOICE


def test_a_vendor_and_its_model_are_one_short_text():
    assert speech("  recognition: deepgram/nova-3").recognition == RecognitionChoice(vendor="deepgram", model="nova-3")


def test_a_choice_may_have_options():
    chosen = speech("""\
  recognition:
    vendor: deepgram
    model: nova-3
    options: {keyterms: [Mulberry, Quince], endpointing_ms: 300, smart_format: true}
""").recognition
    assert chosen is not None
    assert chosen.options == {"keyterms": ("Mulberry", "Quince"), "endpointing_ms": 300, "smart_format": True}
    assert chosen.line == 3


@pytest.mark.parametrize(
    ("section", "line", "reason"),
    [
        ("  recognition: deepgam/nova-3", 2, "'deepgam' is no vendor of speech; did you mean 'deepgram'?"),
        ("  recognition: deepgram", 2, "recognition needs a model: "),
        ("  recognition: deepgram/", 2, "model is empty"),
        ("  recognition: {model: nova-3}", 2, "recognition needs a vendor: "),
        ("  recognition:\n    vendor: deepgram\n    modle: nova-3", 4, "'modle' is unknown in recognition; "),
        (
            "  recognition:\n    vendor: deepgram\n    model: nova-3\n    options:\n      endpointing_ms: 3", 6,
            "endpointing_ms is a whole number from 10 to 5000",
        ),
        (
            "  recognition:\n    vendor: deepgram\n    model: nova-3\n    options: {keyterm: a}", 5,
            "'keyterm' is unknown in the options of Deepgram; did you mean 'keyterms'?",
        ),
        (
            "  recognition:\n    vendor: deepgram\n    model: flux-general-en\n    options:\n"
            "      eager_eot_threshold: 0.75", 6,
            "eager_eot_threshold is at most eot_threshold, which is 0.7 by itself",
        ),
        (
            "  recognition:\n    vendor: deepgram\n    model: flux-general-en\n    options:\n"
            "      eager_eot_threshold: 0.7\n      eot_threshold: 0.6", 6,
            "eager_eot_threshold is at most eot_threshold, which is 0.6",
        ),
    ],
)  # fmt: skip
def test_a_fault_names_its_line(section, line, reason):
    with pytest.raises(ScriptError) as fault:
        speech(section)
    assert (fault.value.line, fault.value.reason[: len(reason)]) == (line, reason)


@pytest.mark.parametrize("thresholds", [
    "eager_eot_threshold: 0.7", "eager_eot_threshold: 0.8, eot_threshold: 0.8",
    "eot_threshold: 0.9, eager_eot_threshold: 0.5", "eot_threshold: 0.5",
])  # fmt: skip
def test_a_turn_may_have_ended_before_it_has(thresholds):
    section = f"  recognition: {{vendor: deepgram, model: flux-general-en, options: {{{thresholds}}}}}"
    assert speech(section).recognition is not None


def test_agents_of_every_kind_choose():
    chosen = RecognitionChoice(vendor="deepgram", model="nova-3")
    llm = parse_llm("agent: {recognition: deepgram/nova-3}\nmodel: test\ninstructions: Be kind.\n")
    assert llm.speech.recognition == chosen

    @agent(recognition="deepgram/nova-3")
    async def reminder(call) -> None: ...

    assert reminder.speech.recognition == chosen
    assert parse_agent(reminder.source).speech.recognition == chosen
    relay = parse_agent("agent: {recognition: deepgram/nova-3}\nrelay: {url: 'wss://brain.example/relay'}\n")
    assert relay.speech.recognition == chosen


def test_a_vendor_s_recogniser_needs_no_word_about_the_offline_one():
    source = f"agent: {{language: de, recognition: deepgram/nova-3}}\n{STEPS}\n"
    [warning] = [one.reason for one in parse_script(source).warnings if "offline" in one.reason]
    assert warning == "the offline voice is English: this language needs a vendor's"
