from tests.agents.relay.written_server import Server
from outdial.testing import Phone, run
YAML = """
relay: {url: "wss://app.example/ws", signing_secret: "{secret:token}", parameters: {first_name: "{first_name}"}}
greeting: Hello {first_name|there}, this is the assistant of Meadow Dental. Can you come on Tuesday?
"""

def test_a_whole_call():
    async def call():
        def answer(connection, message):
            if message["type"] == "prompt":
                connection.say("Wonderful. ", "See you", " then. Goodbye!")
                connection.send({"type": "end", "handoffData": '{"outcome": "confirmed"}'})
        server = Server(answer, secrets={"token": "12345"})
        phone = Phone(YAML, tools=server, variables={"first_name": "Ada"})
        phone.greets("Hello?")
        phone.says("Yes, I can.", after="Tuesday")
        end = await phone.talk()
        print(phone.lines, end, server.told, phone.noted, phone.events, server.connections[0].closed, server.connections[0].headers)
    run(call())
