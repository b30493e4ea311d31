from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.test_access_table import routes


def functions(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    assert dependant.call is not None
    yield dependant.call
    for needed in dependant.dependencies:
        yield from functions(needed)


def test_no_request_waits_for_a_thread_to_look_something_up(app):
    endpoints = [route for _, route in routes(app) if isinstance(route, APIRoute)]
    asked = [function for route in endpoints for function in functions(route.dependant)]
    blocking = {one for one in asked if not iscoroutinefunction(one) and not iscoroutinefunction(type(one).__call__)}
    assert len(asked) > 100
    assert blocking == set()
