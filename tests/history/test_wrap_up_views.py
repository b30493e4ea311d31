"""What a model made of a call, in lists, in spreadsheets, and in the filter by outcome."""

import csv
import io

from outdial.db.engine import reading
from outdial.history.call_filter import CallFilter, CallSearch
from outdial.history.csv_export import csv_of_calls
from outdial.history.reading import History
from outdial.history.views import list_calls
from talked_calls import REPORT, FakeModel, make_agent, make_wrap_up, talk


async def test_lists_and_spreadsheets_have_the_outcome_that_stands(workspace):
    agent = await make_agent(workspace)
    made, other = await talk(workspace, agent), await talk(workspace, agent)
    await make_wrap_up(workspace, made, FakeModel(REPORT))
    wanted = {"outcome": ["confirmed"]}
    async with reading(workspace.engine) as conn:
        page = await list_calls(conn, workspace.id, CallFilter(**wanted), base_url="")
    [call] = page["calls"]
    assert (call["id"], call["facts"], call["outcome_from"]) == (made, {"guests": 4}, {"by": "model", "evidence": [2]})
    pieces = csv_of_calls(History(primary=workspace.engine), workspace.id, CallSearch(), base_url="")
    text = "".join([piece async for piece in pieces]).lstrip("\ufeff")
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert {name: rows[made][name] for name in ("outcome", "outcome_by", "summary", "facts", "wrap_up")} == {
        "outcome": "confirmed",
        "outcome_by": "model",
        "summary": "They will come.",
        "facts": '{"guests": 4}',
        "wrap_up": "done",
    }
    assert (rows[other]["outcome_by"], rows[other]["summary"], rows[other]["wrap_up"]) == ("rule", "", "pending")
