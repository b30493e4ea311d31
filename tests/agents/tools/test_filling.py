"""A tool's request: what is filled in stays in its place."""

import pytest
from httpx import URL
from hypothesis import given
from hypothesis import strategies as st

from agents.tools.test_parse import AGENT
from outdial.agents.llm.parse import parse_llm
from outdial.agents.tools.filling import CannotFill, request_of

TOOL = """tools:
  - name: slots
    about: The free times.
    method: METHOD
    url: https://calendar.example.com/v1/slots/{day}/free?key={secret:k}&customer={customer}&part={part}
    arguments:
      type: object
      properties: {day: {type: string}, part: {type: string}, tags: {type: array}, more: {type: object}}
    headers: {Authorization: "Bearer {secret:k}"}
    send: {who: "{customer}", note: "From {customer}"}
"""
SECRETS = {"k": "s&e/c"}


def asked(method="GET", known=None, **arguments):
    [tool] = parse_llm(AGENT + TOOL.replace("METHOD", method)).own_tools.http
    return request_of(tool, arguments, known or {}, {"customer": "c1"}, SECRETS)


def test_the_rest_goes_into_the_query_of_a_get():
    outgoing = asked(day="friday", tags=["a", "b"], more={"x": 1})
    assert outgoing.url == (
        "https://calendar.example.com/v1/slots/friday/free?key=s%26e%2Fc&customer=c1"
        "&tags=a&tags=b&more=%7B%22x%22%3A%201%7D&who=c1&note=From%20c1"
    )
    assert outgoing.body is None
    assert outgoing.headers == {"Authorization": "Bearer s&e/c"}


def test_the_rest_is_the_body_of_a_post():
    outgoing = asked("POST", known={"customer": 7}, day="friday", part="noon", tags=["a"])
    assert outgoing.url.endswith("/free?key=s%26e%2Fc&customer=7&part=noon")
    assert outgoing.body == {"tags": ["a"], "who": 7, "note": "From 7"}


@pytest.mark.parametrize("day", ["..", ".", "a/b", "a\\b", "", "a\nb", "x" * 501, None, ["a"], "\x00"])
def test_what_could_leave_its_place_in_the_path_is_refused(day):
    with pytest.raises(CannotFill) as why:
        asked(day=day)
    assert "day" in str(why.value)


@given(day=st.text(max_size=40), part=st.text(max_size=40))
def test_whatever_is_filled_in_host_path_and_parameters_stay(day, part):
    try:
        url = URL(asked(day=day, part=part).url)
    except CannotFill:
        return
    assert (url.scheme, url.host, url.port) == ("https", "calendar.example.com", None)
    assert url.raw_path.split(b"?")[0].count(b"/") == 4
    assert url.raw_path.startswith(b"/v1/slots/")
    assert list(url.params) == ["key", "customer", "part", "who", "note"]
    assert url.params["part"] == part
