"""Alerts: rules over what calls come to, what they have raised, and who is told."""
