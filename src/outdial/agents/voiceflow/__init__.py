"""The voiceflow agent: an existing project decides what is said, through its Dialog Manager API.

`requests.py` is what is asked, `events.py` the stream of what comes back, `traces.py` what the traces in it mean to a
call (all three without I/O); `door.py` asks, `turn.py` is one turn as it comes, `run.py` the conversation.
"""
