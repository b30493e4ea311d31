"""A small brain for agents that have theirs elsewhere: a practice's reminder that answers by rules.

`rules.py` decides what it says, without I/O. It is reached in two ways: as a websocket server that speaks Twilio's
ConversationRelay (`relay.py`, /relay), and as a project behind Voiceflow's Dialog Manager API (`voiceflow.py`,
/voiceflow). A test sees what it was told:

    async with serve(SimulatorConfig()) as simulator:
        ...                                    # an agent with f"ws://{host}/relay", or f"{base_url}/voiceflow"
        simulator.brain.told[-1].message       # {"type": "prompt", "voicePrompt": "Yes.", …}
"""
