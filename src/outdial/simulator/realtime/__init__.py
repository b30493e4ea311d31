"""A simulated model of speech, which talks the protocol of OpenAI's Realtime API: /openai/v1/realtime.

`session.py` is the server's side of a websocket without I/O, `turns.py` hears when somebody speaks, `answers.py` what
the model says and calls (a practice's reminder, by the rules of `brain/rules.py`), `events.py` the messages,
`serving.py` the route.
"""
