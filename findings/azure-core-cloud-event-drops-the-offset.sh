#!/bin/sh
# azure-core 1.41.0: CloudEvent.from_dict, with which programs read what Event Grid delivers in the CloudEvents schema.
#
# Expected: `time` is RFC 3339, as CloudEvents says, so 12:00+02:00 is 10:00 UTC.
# Observed: of an offset's hours only the first digit counts. Every offset below ten hours becomes zero, and ten hours
# become one; the minutes of +05:30 count. The result has a zone, so nothing shows that it is wrong. For the same texts,
# azure-eventgrid's EventGridEvent is right, and azure-functions raises before the function sees the event.
# Why it matters: who orders the changes of an exemption by the time of their events puts a later one before an earlier
# one, and the audit trail states a wrong hour. In a function, the event is lost when Event Grid gives up.
#
# Observed output, in UTC:
#
#   azure-core 1.41.0, azure-eventgrid 4.22.1, azure-functions 2.3.0
#   2027-06-30T12:00:00Z: core 12:00, eventgrid 12:00, functions 12:00
#   2027-06-30T12:00:00+02:00: core 12:00, eventgrid 10:00, functions ValueError
#   2027-06-30T12:00:00-05:00: core 12:00, eventgrid 17:00, functions ValueError
#   2027-06-30T12:00:00+05:30: core 11:30, eventgrid 06:30, functions ValueError
#   2027-06-30T12:00:00+10:00: core 11:00, eventgrid 02:00, functions ValueError
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    azure-core==1.41.0 azure-eventgrid==4.22.1 azure-functions==2.3.0
"$folder/venv/bin/python" - <<'PY'
import json, sys
from datetime import timezone
from importlib.metadata import version

from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from azure.functions.eventgrid import EventGridEventInConverter
from azure.functions.meta import Datum

CLOUD = {"specversion": "1.0", "id": "1", "source": "/lab", "type": "lab"}
GRID = {"id": "1", "subject": "/lab", "eventType": "lab", "data": {}, "dataVersion": "1"}
WANTED = {
    "Z": ("12:00", "12:00", "12:00"),
    "+02:00": ("12:00", "10:00", "ValueError"),
    "-05:00": ("12:00", "17:00", "ValueError"),
    "+05:30": ("11:30", "06:30", "ValueError"),
    "+10:00": ("11:00", "02:00", "ValueError"),
}
READERS = {
    "core": lambda text: CloudEvent.from_dict({**CLOUD, "time": text}).time,
    "eventgrid": lambda text: EventGridEvent.from_dict({**GRID, "eventTime": text}).event_time,
    "functions": lambda text: (
        EventGridEventInConverter.decode(Datum(json.dumps({**CLOUD, "time": text}), "json"), trigger_metadata={}).time
    ),
}


def read(reader, text):
    try:
        return f"{reader(text).astimezone(timezone.utc):%H:%M}"
    except ValueError as error:
        return type(error).__name__


print(", ".join(f"azure-{name} {version(f'azure-{name}')}" for name in READERS))
seen = {}
for offset in WANTED:
    text = f"2027-06-30T12:00:00{offset}"
    seen[offset] = tuple(read(reader, text) for reader in READERS.values())
    print(f"{text}: " + ", ".join(f"{name} {time}" for name, time in zip(READERS, seen[offset])))
sys.exit(seen != WANTED)
PY
