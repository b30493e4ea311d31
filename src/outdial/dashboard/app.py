"""The dashboard, added to the API's app: its pages read what the API reads, and change things through the API."""

from fastapi import FastAPI

from outdial.api.services import Services
from outdial.dashboard import calls, phone, phone_numbers, sign_in, static_files
from outdial.dashboard.live import LivePages


def add_dashboard(app: FastAPI, services: Services) -> LivePages:
    """Close the result before the server stops."""
    pages = app.state.live_pages = LivePages(services.notifications)
    for module in (static_files, sign_in, phone_numbers, calls, phone):
        app.include_router(module.router)
    return pages
