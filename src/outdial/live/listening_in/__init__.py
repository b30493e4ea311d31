"""People who listen to a live call: what they hear (`tap.py`), and who they are (`joining.py`)."""
