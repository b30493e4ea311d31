import pytest

from outdial.tracing.context import beside, given, of_call, parse, span_id

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_header_says_where_a_span_stands():
    context = parse(PARENT)
    assert context is not None
    assert (context.trace, f"{context.span_id:016x}", context.is_sampled) == (TRACE, SPAN, True)
    assert parse(f"00-{TRACE}-{SPAN}-00").is_sampled is False
    assert parse(f"cc-{TRACE}-{SPAN}-09-of a later version".replace(" ", "_")).is_sampled is True
    assert context.header(is_sampled=True) == PARENT


@pytest.mark.parametrize(
    "header",
    [
        None, "", "00", PARENT.upper(), f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}-more", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-1", f"{PARENT}\n{PARENT}", "0" * 100_000,
        f"00-{TRACE[:-1]}é-{SPAN}-01",
    ],
)  # fmt: skip
def test_what_is_malformed_is_none(header):
    assert parse(header) is None
    assert given([header] if header else []) is None


def test_two_headers_are_none():
    assert given([PARENT, PARENT]) is None
    assert given([f" {PARENT} "]) == PARENT
    assert given([f"01-{TRACE}-{SPAN}-03-more"]) == PARENT  # what we speak, and what we know of


def test_every_process_makes_the_same_ids_of_a_call():
    root = of_call("call_1", None)
    assert root == of_call("call_1", None)
    # Processes of two versions may share a call.
    assert root.header(is_sampled=True) == "00-3f33625ddc73187a9ec423c94e412184-e06dbc594b7bae45-01"
    assert root.trace_id != of_call("call_2", None).trace_id
    assert len({span_id("call_1", "attempt", number) for number in range(100)}) == 100
    assert span_id("call_1", "attempt", 1) != span_id("call_2", "attempt", 1)


def test_a_call_goes_on_in_the_trace_of_its_request():
    root = of_call("call_1", PARENT)
    assert (root.trace, root.is_sampled) == (TRACE, True)
    assert root.span_id == of_call("call_1", None).span_id != int(SPAN, 16)
    assert of_call("call_1", None).is_sampled is None


def test_a_header_that_somebody_has_set_by_hand_is_left_as_it_is():
    assert beside({"traceparent": PARENT}, {"Accept": "*/*"}) == {"Accept": "*/*", "traceparent": PARENT}
    assert beside({"traceparent": PARENT}, {"Traceparent": "mine"}) == {"Traceparent": "mine"}
    assert beside({}, {"Accept": "*/*"}) == {"Accept": "*/*"}
