"""What `make sandbox` leaves in build/ for shells: lines of `export`, and the certificates that they name."""

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import certifi

METADATA: Final = "/metadata/endpoints?api-version=2019-05-01"
"""The api-version that azure-cli reads at ARM_CLOUD_METADATA_URL: a list of clouds."""


def write(folder: Path, ca: str, settings: Mapping[str, str], addresses: Mapping[str, str]) -> Path:
    """Write sandbox.env and the certificates into a folder, which is made if need be; return the path of the former.

    Clients that replace their trust store (REQUESTS_CA_BUNDLE, SSL_CERT_FILE) get one that has the public authorities,
    or those of the REQUESTS_CA_BUNDLE that is set here, and the sandbox's; Node.js adds the sandbox's to its own.
    azure-cli keeps what it knows in a folder of its own, so that a login here leaves that of ~/.azure alone. It keeps
    the addresses of an earlier sandbox there too, and never asks for new ones, so that folder is emptied.

    Args:
        ca: the certificate of the sandbox's authority, PEM.
        settings: environment variables of the service.
        addresses: of the parts, by name; `arm_tls` must be there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    login = folder / "sandbox-azure"
    shutil.rmtree(login, ignore_errors=True)
    own, bundle, lines = (folder / f"sandbox{end}" for end in ("-ca.pem", "-ca-bundle.pem", ".env"))
    trusted = Path(os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where())
    if trusted == bundle or not trusted.is_file():  # sandbox.env of an earlier run is in force here
        trusted = Path(certifi.where())
    own.write_text(ca, encoding="ascii")
    bundle.write_bytes(trusted.read_bytes() + b"\n" + ca.encode("ascii"))
    variables = {
        **settings,
        "REQUESTS_CA_BUNDLE": str(bundle),
        "SSL_CERT_FILE": str(bundle),
        "NODE_EXTRA_CA_CERTS": str(own),
        "ARM_CLOUD_METADATA_URL": addresses["arm_tls"] + METADATA,
        "AZURE_CONFIG_DIR": str(login),
        **{f"SANDBOX_{name.upper()}": address for name, address in addresses.items()},
    }
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    lines.write_text(text, encoding="utf-8")
    return lines
