"""How long what grows without end is kept, and the job that clears it."""
