"""Samples are what is really sent: of the same shape, field by field."""

import pytest
from pydantic import TypeAdapter

from outdial.api.webhook_payloads import model_of
from outdial.webhooks.event_type import EventType
from outdial.webhooks.samples import payload_of


@pytest.mark.parametrize("type_", list(EventType))
def test_a_sample_has_the_shape_of_its_event(type_):
    model = model_of(type_)
    assert model.model_validate(payload_of(type_)).model_dump(exclude_none=False)
    assert set(TypeAdapter(model).json_schema()["properties"]) >= set(payload_of(type_))
