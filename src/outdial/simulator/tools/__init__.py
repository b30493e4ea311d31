"""Simulated tools: a practice's calendar, over HTTP with JSON and as an MCP server.

`calendar.py` holds what can be done, `catalogue.py` the tools with their schemas, `mcp.py` the protocol; they do no
I/O. `rest.py` is the server: POST /tools/<name> of the simulator, and /mcp. A test sees what was called, and what came
of it:

    async with serve(SimulatorConfig()) as simulator:
        ...                                       # an agent with f"{simulator.base_url}/tools/book_slot", or /mcp
        simulator.tools.called[-1].arguments      # {"slot": "Friday at nine in the morning"}
        simulator.tools.calendar.bookings         # each time something was booked
"""
