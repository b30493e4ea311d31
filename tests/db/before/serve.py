"""The version before this one, running: it makes its tables, a customer with a number of the simulator's, and serves.

Run with that version's modules on the path. Says in a line of JSON what the customer has, once it is up; ends in order
when its input ends.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from outdial import logs
from outdial.agents.store import create_agent
from outdial.app import Running, running
from outdial.carriers.name import CarrierName
from outdial.lines.workspace_pools import create_workspace
from outdial.numbers.new_number import NewNumber
from outdial.numbers.store import add_number
from outdial.settings import Settings
from outdial.speech.engines import Speech
from outdial.speech.instant import InstantSpeechToText, InstantTextToSpeech
from outdial.workspaces.api_keys import create_api_key
from outdial.workspaces.audit import COMMAND_LINE


async def main(config: dict[str, Any]) -> None:
    settings = Settings(
        data_dir=Path(config["data_dir"]),
        database_url=SecretStr(config["database_url"]),
        secret_key=SecretStr(config["secret_key"]),
        public_url=config["public_url"],
        port=0,
        **config["patience"],
    )
    speech = Speech(to_text=InstantSpeechToText(), from_text=InstantTextToSpeech())
    async with running(settings, speech=speech) as outdial:
        customer = await furnish(outdial, config)
        print(json.dumps({"port": outdial.services.settings.port, **customer}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def furnish(outdial: Running, config: dict[str, Any]) -> dict[str, str]:
    engine = outdial.services.engine
    workspace_id = (await create_workspace(engine, name="Clinic", lines=config["lines"]))["id"]
    key = (await create_api_key(engine, workspace_id, name="Test", by=COMMAND_LINE))["key"]
    agent = await create_agent(
        engine, workspace_id, name="Agent", source=config["script"], publish=True, by=COMMAND_LINE
    )
    number = await add_number(
        engine,
        outdial.services.secret_box,
        workspace_id,
        NewNumber(
            carrier=CarrierName("twilio"),
            e164=config["number"],
            credentials=config["credentials"],
            agent_id=agent["id"],
            base_url=config["carrier_url"],
            calls_per_second=100,
        ),
        public_url=config["public_url"],
        by=COMMAND_LINE,
    )
    return {"key": key, "number_id": number["id"], "workspace_id": workspace_id}


if __name__ == "__main__":
    logs.set_up("info")
    asyncio.run(main(json.loads(sys.argv[1])))
