"""The dashboard, added to the API's app: its pages read what the API reads, and change things through the API."""

from fastapi import FastAPI

from outdial.api.services import Services
from outdial.dashboard import (
    calls,
    connect_number,
    overview,
    phone,
    phone_numbers,
    settings,
    sign_in,
    static_files,
)
from outdial.dashboard.live import LivePages


def add_dashboard(app: FastAPI, services: Services) -> LivePages:
    """Close the result before the server stops."""
    pages = app.state.live_pages = LivePages(services.notifications)
    for module in (static_files, sign_in, overview, connect_number, phone_numbers, calls, phone, settings):
        app.include_router(module.router)
    return pages
