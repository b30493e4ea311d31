"""For the tests of those who write agents: a phone in memory, and virtual time.

    from outdial.testing import Phone, run

    def test_the_agent_notes_the_day():
        async def call():
            phone = Phone(my_agent)
            phone.greets("Hello?")
            phone.says("Friday, please.", after="Which day")
            await phone.talk()
            assert phone.noted == {"day": "friday"}

        run(call())

No audio is synthesised or recognised, and a call of a minute takes milliseconds; whose turn it is, interruptions and
pauses are those of a real call.
"""

from outdial.testing.phone import Phone
from outdial.testing.virtual_time import run

__all__ = ["Phone", "run"]
