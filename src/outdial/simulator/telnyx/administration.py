"""The account's applications, outbound voice profiles and numbers under REST."""

from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from outdial.simulator.telnyx import errors, ids
from outdial.simulator.telnyx.account import TelnyxAccount
from outdial.simulator.telnyx.inventory import Application, Number, OutboundVoiceProfile
from outdial.simulator.telnyx.requests import Body, is_url
from outdial.simulator.telnyx.resources import (
    application_json,
    number_json,
    numbered_page,
    profile_json,
    verified_number_json,
)
from outdial.simulator.telnyx.routing import Endpoint

T = TypeVar("T")

SITES = (
    "Latency",
    "Chicago, IL",
    "Ashburn, VA",
    "San Jose, CA",
    "London, UK",
    "Chennai, IN",
    "Amsterdam, Netherlands",
    "Toronto, Canada",
    "Sydney, Australia",
)


class Administration:
    def __init__(self, account: TelnyxAccount) -> None:
        self._account = account

    def endpoints(self) -> list[tuple[str, str, Endpoint]]:
        return [
            ("GET", "/call_control_applications", self._list_applications),
            ("POST", "/call_control_applications", self._create_application),
            ("GET", "/call_control_applications/{id}", self._fetch_application),
            ("PATCH", "/call_control_applications/{id}", self._update_application),
            ("DELETE", "/call_control_applications/{id}", self._delete_application),
            ("GET", "/outbound_voice_profiles", self._list_profiles),
            ("POST", "/outbound_voice_profiles", self._create_profile),
            ("GET", "/outbound_voice_profiles/{id}", self._fetch_profile),
            ("PATCH", "/outbound_voice_profiles/{id}", self._update_profile),
            ("DELETE", "/outbound_voice_profiles/{id}", self._delete_profile),
            ("GET", "/phone_numbers", self._list_numbers),
            ("GET", "/phone_numbers/{id}", self._fetch_number),
            ("PATCH", "/phone_numbers/{id}", self._update_number),
            ("GET", "/verified_numbers", self._list_verified_numbers),
        ]

    # -- Call Control applications

    async def _list_applications(self, request: Request, body: Body) -> Response:
        wanted = request.query_params.get("filter[application_name][contains]", "").lower()
        found = [item for item in self._account.applications.values() if wanted in item.name.lower()]
        return JSONResponse(numbered_page(found, request.query_params, application_json))

    async def _create_application(self, request: Request, body: Body) -> Response:
        now = self._account.network.clock.now()
        application = Application(
            id=ids.resource_id(), name="", webhook_event_url="", created_at=now, updated_at=now
        )
        self._change_application(application, body)
        self._account.applications[application.id] = application
        return _data(application_json(application), 201)

    async def _fetch_application(self, request: Request, body: Body) -> Response:
        return _data(application_json(_found(self._account.applications, request)))

    async def _update_application(self, request: Request, body: Body) -> Response:
        application = _found(self._account.applications, request)
        self._change_application(application, body)
        return _data(application_json(application))

    async def _delete_application(self, request: Request, body: Body) -> Response:
        application = _found(self._account.applications, request)
        if any(number.connection_id == application.id for number in self._account.numbers.values()):
            raise errors.invalid("id", "The application is in use by phone numbers.")
        del self._account.applications[application.id]
        return _data(application_json(application))

    def _change_application(self, application: Application, body: Body) -> None:
        """All or nothing. Name and URL have to be given every time."""
        name, url = body.required("application_name"), body.required("webhook_event_url")
        for field in ("webhook_event_url", "webhook_event_failover_url"):
            if not is_url(body.text(field, "http://none")):
                raise errors.invalid(field, f"The '{field}' parameter must be a URL.")
        outbound = body.object("outbound")
        profile_id = outbound.text("outbound_voice_profile_id")
        if profile_id and profile_id not in self._account.profiles:
            raise errors.invalid("outbound/outbound_voice_profile_id", "There is no such outbound voice profile.")
        changes: dict[str, Any] = {
            "name": name,
            "webhook_event_url": url,
            "webhook_api_version": body.choice(
                "webhook_api_version", application.webhook_api_version, ("1", "2")
            ),
            "call_cost_in_webhooks": body.flag("call_cost_in_webhooks", application.call_cost_in_webhooks),
            "active": body.flag("active", application.active),
            "anchorsite_override": body.choice("anchorsite_override", application.anchorsite_override, SITES),
            "dtmf_type": body.choice("dtmf_type", application.dtmf_type, ("RFC 2833", "Inband", "SIP INFO")),
            "first_command_timeout": body.flag("first_command_timeout", application.first_command_timeout),
            "first_command_timeout_s": body.integer(
                "first_command_timeout_secs", application.first_command_timeout_s, 0, 600
            ),
            "tags": _texts(body, "tags", application.tags),
        }
        if body.given("webhook_event_failover_url"):
            changes["webhook_event_failover_url"] = body.text("webhook_event_failover_url")
        if body.given("webhook_timeout_secs"):
            changes["webhook_timeout_s"] = body.integer("webhook_timeout_secs", 0, 0, 30) or None
        if outbound.given("outbound_voice_profile_id"):
            changes["outbound_voice_profile_id"] = profile_id
        if outbound.given("channel_limit"):
            changes["outbound_channel_limit"] = outbound.integer("channel_limit", 0, 0, 10**6) or None
        self._apply(application, changes)

    # -- outbound voice profiles

    async def _list_profiles(self, request: Request, body: Body) -> Response:
        wanted = request.query_params.get("filter[name][contains]", "").lower()
        found = [item for item in self._account.profiles.values() if wanted in item.name.lower()]
        return JSONResponse(numbered_page(found, request.query_params, self._profile_json))

    async def _create_profile(self, request: Request, body: Body) -> Response:
        now = self._account.network.clock.now()
        profile = OutboundVoiceProfile(id=ids.resource_id(), name="", created_at=now, updated_at=now)
        self._change_profile(profile, body)
        self._account.profiles[profile.id] = profile
        return _data(self._profile_json(profile))

    async def _fetch_profile(self, request: Request, body: Body) -> Response:
        return _data(self._profile_json(_found(self._account.profiles, request)))

    async def _update_profile(self, request: Request, body: Body) -> Response:
        profile = _found(self._account.profiles, request)
        self._change_profile(profile, body)
        return _data(self._profile_json(profile))

    async def _delete_profile(self, request: Request, body: Body) -> Response:
        profile = _found(self._account.profiles, request)
        if self._profile_json(profile)["connections_count"]:
            raise errors.invalid("id", "The profile is in use by applications.")
        del self._account.profiles[profile.id]
        return _data(self._profile_json(profile))

    def _change_profile(self, profile: OutboundVoiceProfile, body: Body) -> None:
        rate = body.raw("max_destination_rate")
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float)):
            raise errors.invalid("max_destination_rate", "The 'max_destination_rate' parameter must be a number.")
        changes: dict[str, Any] = {
            "name": body.required("name"),
            "enabled": body.flag("enabled", profile.enabled),
            "daily_spend_limit": body.text("daily_spend_limit") or profile.daily_spend_limit,
            "daily_spend_limit_enabled": body.flag(
                "daily_spend_limit_enabled", profile.daily_spend_limit_enabled
            ),
            "whitelisted_destinations": _texts(
                body, "whitelisted_destinations", profile.whitelisted_destinations
            ),
            "max_destination_rate": profile.max_destination_rate if rate is None else rate,
            "tags": _texts(body, "tags", profile.tags),
        }
        if body.given("concurrent_call_limit"):
            limit = body.integer("concurrent_call_limit", 0, 0, 10**6)
            changes["concurrent_call_limit"] = limit or None
        self._apply(profile, changes)

    def _profile_json(self, profile: OutboundVoiceProfile) -> dict[str, Any]:
        users = [
            item
            for item in self._account.applications.values()
            if item.outbound_voice_profile_id == profile.id
        ]
        return profile_json(profile, len(users))

    # -- numbers

    async def _list_numbers(self, request: Request, body: Body) -> Response:
        """`filter[phone_number]` is part of the number, with or without +."""
        query = request.query_params
        digits = query.get("filter[phone_number]", "").lstrip("+ ")
        connection_id = query.get("filter[connection_id]", "")
        found = [
            number
            for number in self._account.numbers.values()
            if digits in number.phone_number
            and connection_id in ("", number.connection_id)
            and query.get("filter[status]", "active") == "active"
        ]
        return JSONResponse(numbered_page(found, query, self._number_json))

    async def _fetch_number(self, request: Request, body: Body) -> Response:
        return _data(self._number_json(_found(self._account.numbers, request)))

    async def _update_number(self, request: Request, body: Body) -> Response:
        """`connection_id` null or "" disconnects the number."""
        number = _found(self._account.numbers, request)
        changes: dict[str, Any] = {"tags": _texts(body, "tags", number.tags)}
        if body.given("connection_id"):
            connection_id = body.text("connection_id")
            if connection_id and connection_id not in self._account.applications:
                raise errors.invalid("connection_id", "The connection_id does not exist.")
            changes["connection_id"] = connection_id or None
        if body.given("customer_reference"):
            changes["customer_reference"] = body.text("customer_reference") or None
        self._apply(number, changes)
        return _data(self._number_json(number))

    async def _list_verified_numbers(self, request: Request, body: Body) -> Response:
        found = list(self._account.verified_numbers.items())
        return JSONResponse(
            numbered_page(found, request.query_params, lambda item: verified_number_json(*item))
        )

    def _number_json(self, number: Number) -> dict[str, Any]:
        return number_json(number, self._account.applications.get(number.connection_id or ""))

    def _apply(self, resource: Application | OutboundVoiceProfile | Number, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(resource, name, value)
        resource.updated_at = self._account.network.clock.now()


def _data(resource: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse({"data": resource}, status)


def _found(resources: dict[str, T], request: Request) -> T:
    resource = resources.get(request.path_params["id"])
    if resource is None:
        raise errors.not_found()
    return resource


def _texts(body: Body, name: str, default: list[str]) -> list[str]:
    value = body.raw(name)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise errors.invalid(name, f"The '{name}' parameter must be an array of strings.")
    return list(value)
