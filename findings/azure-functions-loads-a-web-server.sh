#!/bin/sh
# azure-functions 2.3.0 (with werkzeug 3.1.8): the library that every Python function imports.
#
# Expected: an app with a queue trigger loads no web server. The host takes HTTP requests, and hands them over.
# Observed: `import azure.functions` takes its classes for requests from werkzeug.datastructures. Python then runs
# werkzeug/__init__.py, which loads werkzeug's development server and its test client, and with them the standard
# library's http.server and socketserver. 34 of the 302 modules were there for nothing else.
# Why it matters: functions scale to zero, so each cold start pays for it, whatever the triggers of the app are. An app
# cannot avoid it: the worker imports the library before the app.
#
# Observed output:
#
#   werkzeug.serving (development server): loaded
#   werkzeug.test (test client): loaded
#   http.server: loaded
#   socketserver: loaded
#   modules that only werkzeug/__init__.py loads: more than 20
#
# Needs Python 3.13. Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.13 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check azure-functions==2.3.0 werkzeug==3.1.8
cat >"$folder/look.py" <<'PY'
import importlib.util
import subprocess
import sys
from pathlib import Path

LOOK = "import sys; {}; import azure.functions; print(*sorted(sys.modules))"
# the same, where the package's own __init__.py does nothing
EMPTY = "import types; one = types.ModuleType('werkzeug'); one.__path__ = [{!r}]; sys.modules['werkzeug'] = one"


def loaded(before: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOOK.format(before)], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


place = str(Path(importlib.util.find_spec("werkzeug").origin).parent)
modules, without = loaded("pass"), loaded(EMPTY.format(place))
found = [
    f"{name}: {'loaded' if name.split(' ')[0] in modules else 'not loaded'}"
    for name in ("werkzeug.serving (development server)", "werkzeug.test (test client)", "http.server", "socketserver")
]
count = len(modules - without)
found.append(f"modules that only werkzeug/__init__.py loads: {'more than 20' if count > 20 else count}")
print(*found, sep="\n")
print(f"({count} of {len(modules)})", file=sys.stderr)
wanted = [
    "werkzeug.serving (development server): loaded",
    "werkzeug.test (test client): loaded",
    "http.server: loaded",
    "socketserver: loaded",
    "modules that only werkzeug/__init__.py loads: more than 20",
]
sys.exit(0 if found == wanted else 1)
PY
"$folder/env/bin/python" "$folder/look.py"
