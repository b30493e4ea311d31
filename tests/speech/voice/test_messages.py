"""What is read of a vendor's JSON, and what the log tells of the rest."""

import msgspec
import pytest

from outdial.speech.voice.messages import Messages


class Told(msgspec.Struct):
    type: str = ""


def test_what_has_another_form_is_told_once_without_what_is_in_it(caplog):
    messages = Messages("acme", msgspec.json.Decoder(Told))
    for _ in range(3):
        assert messages.read('{"type": {"said": "Jane"}}') is None
    assert messages.read('{"type": "done", "new": [1]}') == Told(type="done")
    [record] = caplog.records
    assert (record.levelname, record.vendor) == ("WARNING", "acme")
    assert "Jane" not in str(vars(record))


def test_what_is_no_json_is_an_error_of_its_own():
    with pytest.raises(ValueError, match="no JSON"):
        Messages("acme", msgspec.json.Decoder(Told)).read("{")
