"""Conversations with vendors' speech: simulated vendors that cost next to nothing, and what is measured with them."""
