"""Conversations with callees that nobody tuned Outdial to: does it listen? Played on the real conversation, with the
real engines of the package, as fast as they allow: `python -m bench --only talk`."""
