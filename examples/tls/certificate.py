"""A certificate for this machine that signs itself: browsers warn of it once, and encrypt all the same."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from pathlib import Path

__all__ = ["make_certificate"]


def make_certificate(folder: Path, host: str) -> tuple[str, str]:
    """Make a certificate for `localhost` and a host with the program openssl; return its file and its key's."""
    files = str(folder / "certificate.pem"), str(folder / "key.pem")
    names = {"DNS:localhost", "IP:127.0.0.1"}
    try:
        names.add(f"IP:{ipaddress.ip_address(host)}")
    except ValueError:
        names.add(f"DNS:{host}")
    command = ["openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-addext", f"subjectAltName={','.join(sorted(names))}", "-out", files[0], "-keyout", files[1]]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        sys.exit("openssl is missing: install it, or bring a certificate with --certificate FILE KEY")
    return files
