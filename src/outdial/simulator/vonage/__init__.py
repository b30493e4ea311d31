"""Vonage as seen from its customer: Voice, Applications, Numbers and Reports APIs, NCCO, events, websockets."""
