"""Files of agents in Python, as tests write them."""

SOURCE = """from outdial import Call, agent


@agent
async def one(call: Call) -> None:
    await call.say("One.")
"""


def say(words: str) -> str:
    return SOURCE.replace("One.", words)
