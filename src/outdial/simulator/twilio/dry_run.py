"""Requests with test credentials: checked like real ones, against the magic numbers; nothing happens.

Source: twilio.com/docs/iam/test-credentials
"""

from datetime import UTC, datetime

from starlette.responses import JSONResponse, Response

from outdial.simulator.callees import callee_at
from outdial.simulator.calls import Call, Direction
from outdial.simulator.twilio import errors, requests
from outdial.simulator.twilio.account import Number
from outdial.simulator.twilio.ids import new_sid
from outdial.simulator.twilio.numbers import check_purchase
from outdial.simulator.twilio.requests import Form
from outdial.simulator.twilio.resources import call_json, number_json


def answer(method: str, path: str, form: Form, account_sid: str) -> Response:
    now = datetime.now(UTC)
    if method == "POST" and path.endswith("/Calls.json"):
        to, from_ = requests.parties(form, lambda number: number == requests.TEST_FROM)
        requests.wishes(form)
        call = Call(
            id=new_sid("CA"),
            account=account_sid,
            to=to,
            from_=from_,
            direction=Direction.OUTBOUND_API,
            callee=callee_at(to),
            created_at=now,
            updated_at=now,
        )
        return JSONResponse(call_json(call, None, now), 201)
    if method == "POST" and path.endswith("/IncomingPhoneNumbers.json"):
        phone_number = check_purchase(form)
        if phone_number != requests.TEST_FROM:
            raise errors.RestError(400, 21421, "PhoneNumber is invalid")
        number = Number(
            sid=new_sid("PN"),
            phone_number=phone_number,
            friendly_name=phone_number,
            created_at=now,
            updated_at=now,
        )
        return JSONResponse(number_json(number, account_sid), 201)
    raise errors.test_credentials()
