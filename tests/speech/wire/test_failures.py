"""Why a vendor failed, from what it answers."""

import pytest

from outdial.speech.wire.failures import Fault, by_close, by_message, by_status


@pytest.mark.parametrize(
    ("status", "body", "fault", "word"),
    [
        (401, b'{"detail":{"status":"invalid_api_key","message":"no"}}', Fault.UNAUTHORIZED, "invalid_api_key"),
        (401, b'{"detail":{"status":"quota_exceeded","message":"no"}}', Fault.NO_CREDIT, "quota_exceeded"),
        (402, b"", Fault.NO_CREDIT, ""),
        (403, b"<html>", Fault.UNAUTHORIZED, ""),
        (400, b'{"err_code":"Bad Request","err_msg":"no such model"}', Fault.REFUSED, ""),
        (404, b"", Fault.REFUSED, ""),
        (429, b'{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}', Fault.NO_CREDIT,
         "insufficient_quota"),
        (429, b'{"error":{"type":"requests","code":"rate_limit_exceeded"}}', Fault.BUSY, "rate_limit_exceeded"),
        (429, b'{"detail":{"status":"too_many_concurrent_requests"}}', Fault.BUSY, "too_many_concurrent_requests"),
        (503, b"", Fault.BUSY, ""),
        (422, b'{"detail":[{"loc":["body"],"msg":"no","type":"missing"}]}', Fault.REFUSED, "missing"),
        (500, b"[" * 5000, Fault.BUSY, ""),
    ],
)  # fmt: skip
def test_a_status_tells_whether_asking_again_may_help(status, body, fault, word):
    failure = by_status(status, body)
    assert (failure.fault, failure.word, failure.status) == (fault, word, status)


@pytest.mark.parametrize(
    ("code", "reason", "fault"),
    [
        (1000, "connection idle timeout", Fault.IDLE),
        (1000, "", Fault.IDLE),
        (1001, "", Fault.LOST),
        (1006, "", Fault.LOST),
        (1008, "input_timeout_exceeded", Fault.IDLE),
        (1008, "quota_exceeded", Fault.NO_CREDIT),
        (1008, "", Fault.REFUSED),
        (1011, "NET-0001", Fault.IDLE),
        (1011, "", Fault.LOST),
        (1012, "service restart", Fault.LOST),
        (4000, "", Fault.LOST),
    ],
)
def test_a_close_code_is_read_with_its_reason(code, reason, fault):
    assert by_close(code, reason).fault is fault


def test_the_error_message_before_a_close_decides():
    told = by_message("max_active_conversations", status=1008)
    failure = by_close(1008, "", told)
    assert (failure.fault, failure.word, failure.code) == (Fault.BUSY, "max_active_conversations", 1008)


@pytest.mark.parametrize(
    ("word", "text", "status", "fault"),
    [
        ("concurrency_limited", "", 429, Fault.BUSY),
        ("", "credits used up: quota_exceeded", None, Fault.NO_CREDIT),
        ("", "Did not receive audio data or a text message within the timeout window.", None, Fault.IDLE),
        ("", "", 402, Fault.NO_CREDIT),
        ("", "bad", 400, Fault.REFUSED),
        ("new_word", "", None, Fault.LOST),
    ],
)
def test_an_error_message_is_read_by_its_code_then_its_status_then_its_words(word, text, status, fault):
    assert by_message(word, text=text, status=status).fault is fault


@pytest.mark.parametrize("fault", Fault)
def test_what_was_refused_is_never_asked_again(fault):
    refusals = {Fault.REFUSED, Fault.UNAUTHORIZED, Fault.NO_CREDIT}
    assert fault.may_pass is (fault not in refusals)


@pytest.mark.parametrize("fault", Fault)
def test_the_key_and_the_account_alone_are_the_same_for_every_text(fault):
    assert fault.is_of_account is (fault in {Fault.UNAUTHORIZED, Fault.NO_CREDIT})
