"""The example in docs/mcp.md, as it stands there."""

import re
from pathlib import Path

DOC = Path(__file__).parents[3] / "docs/mcp.md"


async def test_the_example_follows_a_call_to_its_end(url, tenant, engine, capsys, ends_calls):
    example = re.search(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)[1]
    namespace = {"__name__": "example"}
    exec(compile(example, "docs/mcp.md", "exec"), namespace)
    async with ends_calls():
        await namespace["main"](url, tenant.key, "+12025550115")
    assert capsys.readouterr().out == "completed confirmed\n"
