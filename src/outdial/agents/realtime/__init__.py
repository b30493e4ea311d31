"""The realtime agent: a model that hears and speaks itself leads the call, by the protocol of OpenAI's Realtime API.

`protocol.py` is the messages, `items.py` the conversation in them (neither does I/O), `link.py` the connection,
`mouth.py` and `callee.py` keep the accounts of what was said, `talking.py` is a stretch of talk in audio, `run.py` the
whole call, `parse.py` the YAML.
"""
