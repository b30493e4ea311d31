"""Alerts: what is raised and was, the rules, whom they are told by e-mail."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from outdial.alerts.mail_trial import MailTest, send_test
from outdial.alerts.notices import NoticesView, change_notices, get_notices
from outdial.alerts.rule import Kind
from outdial.alerts.rules import AlertRuleView, add_rule, change_rule, list_rules, reset_rule, undo_rule
from outdial.alerts.views import MAX_PAGE, PAGE, AlertPage, AlertState, AlertView, get_alert, list_alerts
from outdial.alerts.watching import postbox
from outdial.api.auth import ApiRoute, Caller
from outdial.api.bodies import StrictBody
from outdial.api.docs import errors, example
from outdial.api.services import Use
from outdial.calls.request import CleanText
from outdial.db.engine import reading
from outdial.telephony.failures import FailureCode
from outdial.webhooks.samples import ALERT, ALERT_OVER

router = APIRouter(route_class=ApiRoute, tags=["Alerts"])

_RULE: dict[str, Any] = {
    "id": "failure_share",
    "kind": "failure_share",
    "enabled": True,
    "threshold": 0.3,
    "unit": "share",
    "window_min": 30,
    "least_calls": 10,
    "code": None,
    "default": True,
    "changed": True,
    "undo": True,
}
_ADDED = _RULE | {
    "id": "rule_6y9r2v5z8x1q4m7k0t3w",
    "threshold": 0.05,
    "window_min": 60,
    "least_calls": 20,
    "code": "blocked",
    "default": False,
}
_NOTICES = {
    "emails": ["ops@example.com"],
    "addresses": ["ops@example.com"],
    "quiet": {"starts": "22:00", "ends": "07:00"},
    "time_zone": "Europe/Vienna",
    "email": True,
}
_NO_ALERT = {"s404_alert_not_found": "There is no such alert."}
_NO_RULE = {"s404_alert_rule_not_found": "There is no such alert rule."}
_FIELDS = (
    "Fields that a rule of its kind doesn't have are refused. `threshold` is in the kind's unit (`share`: 0 to 1), and "
    "`window_min` 15 to 1440 in steps of 5."
)


class RuleList(TypedDict):
    rules: list[AlertRuleView]


class AlertFilter(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    state: AlertState | None = None
    """Default: both."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = PAGE
    """Alerts a page."""
    cursor: Annotated[CleanText, Field(max_length=100)] | None = None
    """`next_cursor` of the page before."""


class RuleChanges(StrictBody):
    enabled: bool | None = None
    """A rule that is switched off raises nothing, and what it has raised is over."""
    threshold: float | None = None
    """From which figure on it is an alert: this low of answer_rate, this high of the others."""
    window_min: int | None = None
    """How many minutes are looked at; of webhook_failing, how long an endpoint accepts nothing."""
    least_calls: int | None = None
    """With fewer calls there is no alert; of number_health, so many calls in a row."""
    code: Annotated[FailureCode, Field(strict=False)] | None = None
    """Of failure_share: only failures of this kind. `null`: all."""


class NewRule(RuleChanges):
    kind: Annotated[Kind, Field(strict=False)]
    """What is watched. number_health and webhook_failing have one rule alone."""


class QuietHoursBody(StrictBody):
    starts: Annotated[CleanText, Field(max_length=5)]
    """A time of day in the time zone: 22:00."""
    ends: Annotated[CleanText, Field(max_length=5)]
    """Also of the next day: 07:00."""


class NoticesChanges(StrictBody):
    emails: Annotated[list[Annotated[CleanText, Field(max_length=254)]], Field(max_length=20)] | None = None
    """Who gets e-mails; `[]`: nobody, `null`: the operators of the workspace."""
    quiet: QuietHoursBody | None = None
    """E-mails wait until these hours are over, and say then what is still true; `null`: they never wait."""
    time_zone: Annotated[CleanText, Field(max_length=64)] = "UTC"
    """By its IANA name: Europe/Vienna."""


AlertId = Annotated[str, Path(description="Id of an alert", max_length=100)]
RuleId = Annotated[str, Path(description="Id of a rule; of one that every workspace has its kind", max_length=100)]


@router.get(
    "/v1/alerts",
    summary="List alerts",
    operation_id="list_alerts",
    description="Newest first: what is raised now, and what was. Pass `next_cursor` as `cursor` to get the next page.",
    response_model=AlertPage,
    responses=example({"alerts": [ALERT, ALERT_OVER], "next_cursor": None}) | errors(422),
)
async def get_alerts(services: Use, caller: Caller, wanted: Annotated[AlertFilter, Query()]) -> JSONResponse:
    async with reading(services.engine) as conn:
        base_url = services.settings.base_url
        return JSONResponse(await list_alerts(conn, caller.workspace_id, base_url=base_url, **wanted.model_dump()))


@router.get(
    "/v1/alerts/rules",
    summary="List alert rules",
    operation_id="list_alert_rules",
    description="Those that every workspace has first. All are evaluated once a minute.",
    response_model=RuleList,
    responses=example({"rules": [_RULE, _ADDED]}) | errors(),
)
async def get_rules(services: Use, caller: Caller) -> JSONResponse:
    async with reading(services.engine) as conn:
        return JSONResponse({"rules": await list_rules(conn, caller.workspace_id)})


@router.post(
    "/v1/alerts/rules",
    summary="Add an alert rule",
    operation_id="add_alert_rule",
    description=(
        "One more of a kind: with another threshold, another window, or for one failure code. What isn't given is as "
        f"in the rule that every workspace has. {_FIELDS}"
    ),
    status_code=201,
    response_model=AlertRuleView,
    responses=example(_ADDED, status=201) | errors(413, 415, 422, s409_too_many_alert_rules="There are too many."),
)
async def post_rule(
    services: Use,
    caller: Caller,
    body: Annotated[
        NewRule,
        Body(
            openapi_examples={
                "code": {
                    "summary": "For one failure code",
                    "value": {
                        "kind": "failure_share",
                        "code": "blocked",
                        "threshold": 0.05,
                        "window_min": 60,
                        "least_calls": 20,
                    },
                }
            }
        ),
    ],
) -> JSONResponse:
    changes = body.model_dump(exclude={"kind"}, exclude_unset=True)
    added = await add_rule(services.engine, caller.workspace_id, body.kind, changes, by=caller.actor)
    return JSONResponse(added, status_code=201)


@router.patch(
    "/v1/alerts/rules/{rule_id}",
    summary="Change an alert rule",
    operation_id="change_alert_rule",
    description=f"Only what is given. Holds from the next minute on. {_FIELDS}",
    response_model=AlertRuleView,
    responses=example(_RULE) | errors(413, 415, 422, **_NO_RULE),
)
async def patch_rule(
    services: Use,
    caller: Caller,
    rule_id: RuleId,
    body: Annotated[
        RuleChanges,
        Body(
            openapi_examples={
                "threshold": {"summary": "Another threshold", "value": {"threshold": 0.3}},
                "off": {"summary": "Off", "value": {"enabled": False}},
            }
        ),
    ],
) -> JSONResponse:
    changes = body.model_dump(exclude_unset=True)
    return JSONResponse(
        await change_rule(services.engine, caller.workspace_id, rule_id, changes, by=caller.actor)
    )


@router.delete(
    "/v1/alerts/rules/{rule_id}",
    summary="Remove an alert rule",
    operation_id="remove_alert_rule",
    description="One that was added is gone; one that every workspace has is as it was at first. Both can be undone.",
    response_model=AlertRuleView,
    responses=example(_ADDED) | errors(**_NO_RULE),
)
async def delete_rule(services: Use, caller: Caller, rule_id: RuleId) -> JSONResponse:
    return JSONResponse(await reset_rule(services.engine, caller.workspace_id, rule_id, by=caller.actor))


@router.post(
    "/v1/alerts/rules/{rule_id}/undo",
    summary="Undo the last change of an alert rule",
    operation_id="undo_alert_rule",
    description="Also that it was added or removed. Undone again, the change holds again.",
    response_model=AlertRuleView,
    responses=example(_RULE) | errors(s404_nothing_to_undo="Nothing was changed about such a rule."),
)
async def post_undo(services: Use, caller: Caller, rule_id: RuleId) -> JSONResponse:
    return JSONResponse(await undo_rule(services.engine, caller.workspace_id, rule_id, by=caller.actor))


@router.get(
    "/v1/alerts/notices",
    summary="Get who is told by e-mail",
    operation_id="get_alert_notices",
    description="Who gets e-mails of this workspace's alerts, and when these wait.",
    response_model=NoticesView,
    responses=example(_NOTICES) | errors(),
)
async def get_who_is_told(services: Use, caller: Caller) -> JSONResponse:
    can_mail = postbox(services.settings) is not None
    async with reading(services.engine) as conn:
        return JSONResponse(await get_notices(conn, caller.workspace_id, can_mail=can_mail))


@router.patch(
    "/v1/alerts/notices",
    summary="Change who is told by e-mail",
    operation_id="change_alert_notices",
    description="Only what is given. Pages and webhooks tell alerts at any hour.",
    response_model=NoticesView,
    responses=example(_NOTICES) | errors(413, 415, 422),
)
async def patch_who_is_told(
    services: Use,
    caller: Caller,
    body: Annotated[
        NoticesChanges,
        Body(
            openapi_examples={
                "nights": {
                    "summary": "Two people, not at night",
                    "value": {
                        "emails": ["ops@example.com", "jane@example.com"],
                        "quiet": {"starts": "22:00", "ends": "07:00"},
                        "time_zone": "Europe/Vienna",
                    },
                }
            }
        ),
    ],
) -> JSONResponse:
    can_mail = postbox(services.settings) is not None
    changes = body.model_dump(exclude_unset=True)
    changed = await change_notices(
        services.engine, caller.workspace_id, changes, can_mail=can_mail, by=caller.actor
    )
    return JSONResponse(changed)


@router.post(
    "/v1/alerts/test",
    summary="Send a test e-mail",
    operation_id="test_alert_email",
    description=(
        "To everybody who gets e-mails of alerts, now, whatever the hour. Answers when the mail server has taken or "
        "refused each, a minute at most."
    ),
    response_model=MailTest,
    responses=example({"sent": True, "addresses": [{"address": "ops@example.com", "error": None}]})
    | errors(
        s409_no_mail_server="The server has no OUTDIAL_SMTP_URL.",
        s409_nobody_to_mail="Nobody gets e-mails of alerts.",
        s429_tested_just_now="A test was sent just now.",
    ),
)
async def post_test(services: Use, caller: Caller) -> JSONResponse:
    sent = await send_test(services.engine, services.settings, caller.workspace_id, by=caller.actor)
    return JSONResponse(sent)


@router.get(
    "/v1/alerts/{alert_id}",
    summary="Get an alert",
    operation_id="get_alert",
    description="As it was raised, and what has become of it.",
    response_model=AlertView,
    responses=example(ALERT_OVER) | errors(**_NO_ALERT),
)
async def get_one(services: Use, caller: Caller, alert_id: AlertId) -> JSONResponse:
    async with reading(services.engine) as conn:
        base_url = services.settings.base_url
        return JSONResponse(await get_alert(conn, caller.workspace_id, alert_id, base_url=base_url))
