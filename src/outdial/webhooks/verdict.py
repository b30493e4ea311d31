"""What becomes of a delivery after a try. Pure but for chance."""

from datetime import datetime

from outdial.webhooks.attempt import GONE, SLOW_DOWN, Try
from outdial.webhooks.deliveries import Delivery, DeliveryState, Outcome
from outdial.webhooks.retry import next_try


def outcome_of(delivery: Delivery, told: Try, now: datetime) -> Outcome:
    """Accepted, tried again, or given up. The URL of a request that is gone is never asked again; an endpoint that is
    gone is switched off, and what it was to be told waits for somebody to switch it on."""
    if told.succeeded:
        return Outcome(delivery=delivery, state=DeliveryState.DELIVERED, told=told)
    at = next_try(delivery.attempts, now=now, since=delivery.since, retry_after=told.retry_after)
    if at is None or (is_gone(told) and not delivery.is_endpoint):
        return Outcome(delivery=delivery, state=DeliveryState.GIVEN_UP, told=told)
    return Outcome(delivery=delivery, state=DeliveryState.WAITING, told=told, next_at=at)


def is_gone(told: Try) -> bool:
    return told.status == GONE


def hold_until(told: Try) -> datetime | None:
    """Until when the whole endpoint wants to be left alone."""
    return told.retry_after if told.status in SLOW_DOWN else None
