"""docs/doctor.md is true: what it shows is what the doctor says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests import tools
from tests.integrations.command import DEADLINE, ROOT, environment

PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")

# What differs from machine to machine.
_VARIES = re.compile(r"versions .*?(?=^server )|may open [\d,]+ files|gevent's loop is \w+", re.DOTALL | re.MULTILINE)


def test_the_sample(tmp_path: Path) -> None:
    tools.gunicorn()
    app = re.search(r"```python\n(# site_app\.py\n.*?)```", PAGE, re.DOTALL)
    sample = re.search(r"```text\n\$ python (-m geventsio doctor gunicorn [^\n]*)\n(.*?)```", PAGE, re.DOTALL)
    assert app is not None and sample is not None
    (tmp_path / "site_app.py").write_text(app[1])
    command = [sys.executable, *sample[1].split()]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment(), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert _VARIES.sub("", ended.stdout) == _VARIES.sub("", sample[2])
