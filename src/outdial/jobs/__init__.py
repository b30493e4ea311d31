"""Background work that may run twice, on procrastinate: the same PostgreSQL, no second truth. Never a dial."""
