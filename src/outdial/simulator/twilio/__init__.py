"""Twilio's wire: REST, signed callbacks, TwiML, media streams."""
