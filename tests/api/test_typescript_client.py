"""The client of docs/clients.md in TypeScript: generated from the served document, type-checked, and run."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

DOC = Path(__file__).parents[2] / "docs/clients.md"
NPM, NODE = shutil.which("npm"), shutil.which("node")
PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3", "@types/node@20")
INSTALL_S = 120  # from a registry far away

pytestmark = pytest.mark.skipif(None in (NPM, NODE), reason="no Node.js with npm on this machine")


async def run(*command: str, folder: Path, within_s: float = 60) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(within_s):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, printed.decode()


async def test_a_client_in_typescript_places_a_call(served, tenant, ends_calls, tmp_path):
    (tmp_path / "package.json").write_text(json.dumps({"name": "client", "private": True, "type": "module"}))
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
    try:
        code, printed = await run(NPM, "install", *options, *PACKAGES, folder=tmp_path, within_s=INSTALL_S)
    except TimeoutError:
        code, printed = 1, "no answer"
    if code:
        pytest.skip(f"npm can't install the generator: {printed.strip().splitlines()[-1]}")
    bin_ = tmp_path / "node_modules/.bin"
    code, printed = await run(
        f"{bin_}/openapi-typescript", f"{served}/openapi.json", "--default-non-nullable=false", "-o", "outdial.d.ts",
        folder=tmp_path,
    )  # fmt: skip
    assert code == 0, printed

    (tmp_path / "call.ts").write_text(re.search(r"```ts\n(.*?)```", DOC.read_text(), re.DOTALL)[1])
    strict = ("--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext")
    code, printed = await run(f"{bin_}/tsc", *strict, "--types", "node", "call.ts", folder=tmp_path)
    assert code == 0, printed

    async with ends_calls():
        call = (NODE, "call.js", served, tenant.key, tenant.number_id)
        assert await run(*call, "+12025550115", folder=tmp_path) == (0, "completed confirmed\n")
        code, printed = await run(*call, "555", folder=tmp_path)
        assert code == 1
        assert "invalid_request: to: must be" in printed  # the error is typed, too
