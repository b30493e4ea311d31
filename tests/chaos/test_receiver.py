"""What the customer's webhook endpoint keeps."""

import httpx

from chaos.proxy import HOST
from chaos.receiver import Receiver, Told


def event(name: str, sequence: int | None = 1) -> dict[str, object]:
    return {
        "id": name, "type": "call.ended", "sequence": sequence,
        "data": {"call": {"id": "call_1", "end_reason": "busy"}},
    }  # fmt: skip


async def test_an_event_is_kept_when_it_comes_first():
    async with Receiver.up() as receiver:
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{receiver.port}", trust_env=False) as http:
            for name in ("evt_2", "evt_1", "evt_2"):
                assert (await http.post("/", json=event(name))).status_code == 200
            await http.post("/", json={"id": "evt_3", "type": "number.unhealthy", "data": {}})
        assert receiver.repeated == 1
        about_call = {"type": "call.ended", "call_id": "call_1", "sequence": 1, "end_reason": "busy"}
        assert receiver.told == [
            Told(id="evt_2", **about_call),
            Told(id="evt_1", **about_call),
            Told(id="evt_3", type="number.unhealthy", call_id=None, sequence=None, end_reason=None),
        ]
