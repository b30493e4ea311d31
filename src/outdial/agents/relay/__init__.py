"""The relay agent: a websocket server of the user's leads the call, in the messages of Twilio's ConversationRelay.

`protocol.py` is the messages (no I/O), `opening.py` how a connection begins, `link.py` the connection, `agenda.py` what
the server wants done, `run.py` the conversation, `parse.py` the YAML.
"""
