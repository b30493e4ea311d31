"""Agents in Python that are beside the server: its operator's files."""

CODE = '''from typing import Literal

from outdial import Call, agent


@agent
async def appointment(call: Call, user_name: str, day: str = "Tuesday") -> Literal["confirmed", "declined"] | None:
    answer = await call.ask(f"Hello {user_name}, this is Meadow Dental. Are you coming on {day}?", ["yes", "no"])
    await call.say("Thank you. Goodbye.")
    return {"yes": "confirmed", "no": "declined"}.get(answer)


@agent
async def failing(call: Call) -> None:
    await call.say("Hello, this is Meadow Dental.")
    raise LookupError("gooseberry")
'''
BROKEN = "from outdial import agent\n\nasync def broken(:\n"
FILES = {"agents.py": CODE, "broken.py": BROKEN}
