"""Every JavaScript block of the README and the docs is JavaScript, and so are the scripts of their pages."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

from tests import tools
from tests.docs.pages import NAMES, blocks

#: Compiles each script of its input without running it: as the body of an asynchronous function, as which `await` is
#: legal in it, or as a module where it imports. One process for all of them: to start one takes longer than to compile.
CHECK = """
const vm = require("node:vm");
const scripts = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const failed = [];
for (const [place, code] of scripts) {
    try {
        if (/^import /m.test(code)) new vm.SourceTextModule(code);
        else new vm.Script(`(async () => {${code}\\n})`);
    } catch (error) {
        failed.push(`${place}: ${error}`);
    }
}
console.log(JSON.stringify(failed));
"""


def scripts() -> Iterator[tuple[str, str]]:
    """The scripts of all pages, with their places."""
    for page in NAMES:
        for block in blocks(page):
            place = f"{page}:{block.line}"
            if block.language == "js":
                yield place, block.code
            elif block.language == "html":
                yield from ((place, code) for code in re.findall(r"<script>(.*?)</script>", block.code, re.DOTALL))


def check(found: list[tuple[str, str]]) -> list[str]:
    """What is wrong with scripts."""
    command = [str(tools.node()), "--experimental-vm-modules", "--no-warnings", "-e", CHECK]
    done = subprocess.run(command, input=json.dumps(found), capture_output=True, text=True, check=True, timeout=60)
    wrong: list[str] = json.loads(done.stdout)
    return wrong


def test_all_of_them_compile() -> None:
    found = list(scripts())
    assert len(found) > 20
    assert check(found) == []


def test_what_does_not_is_named() -> None:
    assert check([("page:1", "await f();"), ("page:2", "const = 1;")]) == [
        "page:2: SyntaxError: Unexpected token '='",
    ]
