"""The command `python -m tests.live.autobahn HOST:PORT CASE...`: Autobahn's cases against a websocket server.

Prints one line of JSON: {case: null or what went wrong}. It runs in a process of its own because the cases, written for
Python 2, change `sys.path` and the standard library.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

from kosoku import FailureError, run_fuzzingclient

if TYPE_CHECKING:
    from kosoku._kosoku import CaseResult


async def run(address: str, cases: list[str]) -> dict[str, str | None]:
    """Run cases, two at a time.

    Args:
        address: the server's "HOST:PORT".
        cases: ids, or globs such as "1.*".
    """
    try:
        results = await run_fuzzingclient(f"ws://{address}", cases, concurrency=2)
    except FailureError as error:
        results = error.results
    return {result.case_id: None if result.passed else _describe(result) for result in results}


def _describe(result: CaseResult) -> str:
    return f"{result.behavior.value}, {result.behavior_close.value}: {result.result} {result.result_close}"


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], sys.argv[2:]))), flush=True)
    # Its threads outlive the loop and sometimes abort the process when the interpreter ends in the usual way.
    os._exit(0)
