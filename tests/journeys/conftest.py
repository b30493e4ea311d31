"""Journeys in a browser have the browser of tests/browser, and servers of their own: they are stopped on the way."""

import inspect
from pathlib import Path

import pytest

from browser.conftest import browser, playwright

__all__ = ["browser", "playwright"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for all: the browser lives as long as the session."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and inspect.iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
