"""A simulated model: an OpenAI-compatible server that answers by rules. It doesn't think, and says so.

`models.py` and the YAML beside it hold the models as data, `rules.py` finds the answer, `completion.py` and `wire.py`
cut it up as the vendor does, `playing.py` adds times and faults; all of that is pure. `rest.py` is the server, under
/model/v1 of the simulator. A test uses it so:

    config = SimulatorConfig(models=(SimulatedModel(name="simulated-clerk", rules=(
        Rule(when=When(user="tuesday"), say="Let me look.", calls=(Call(tool="find_slot", arguments={"day": "Tue"}),)),
        Rule(when=When(tool="find_slot"), say="Tuesday at {result.time}. Shall I book it?"),
        Rule(say="Which day suits you?"),
    )),))
    async with serve(config) as simulator:
        client = AsyncOpenAI(base_url=f"{simulator.base_url}/model/v1", api_key="any")
        ...                                   # model="simulated-clerk"
        simulator.model.asked[-1].request     # what it was asked, and when which piece of the answer was sent

Rules of a simulator that runs are exchanged with `simulator.model.add(SimulatedModel(…))`.
"""
