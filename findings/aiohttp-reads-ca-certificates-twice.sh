#!/bin/sh
# aiohttp 3.14.5: what `import aiohttp` does before anybody opens a connection.
#
# Expected: CA certificates are read when a connection over TLS needs them, and by a context that verifies.
# Observed: the import makes two contexts. Both read all CA certificates that the machine trusts: the second is the one
# for `ssl=False`, which verifies nothing. A program that brings its own context, or calls http alone, pays for both.
# Why it matters: where OpenSSL has a file of certificates (SSL_CERT_FILE, or its default file), each reading parses all
# of them: about 140, and 25 ms each time here, in an import of 200 ms. Where it has a folder only, OpenSSL reads
# certificates as it needs them, and the import is as fast as one expects.
#
# Observed output:
#
#   reads all CA certificates: the context that verifies
#   reads all CA certificates: the context that verifies nothing
#
# Needs Python 3.13. Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.13 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5
cat >"$folder/look.py" <<'PY'
import ssl
import sys

found = []


read = ssl.SSLContext.set_default_verify_paths


def noted(self):
    found.append(self)
    read(self)


ssl.SSLContext.set_default_verify_paths = noted
import aiohttp  # noqa: E402, F401

said = [
    f"reads all CA certificates: the context that verifies{' nothing' if one.verify_mode is ssl.CERT_NONE else ''}"
    for one in found
]
print(*said, sep="\n")
wanted = [
    "reads all CA certificates: the context that verifies",
    "reads all CA certificates: the context that verifies nothing",
]
sys.exit(0 if said == wanted else 1)
PY
"$folder/env/bin/python" "$folder/look.py"
