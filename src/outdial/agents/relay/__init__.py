"""The relay agent: a websocket server of the user's decides what is said, in the messages of Twilio's ConversationRelay.

`protocol.py` is the messages (no I/O), `link.py` the connection, `run.py` the conversation, `parse.py` the YAML.
"""
