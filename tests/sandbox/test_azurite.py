"""Azurite starts, serves all three services, and is gone afterwards, however its owner ends."""

import os
import select
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox import azurite
from sandbox.azurite import Azurite, AzuriteError

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not azurite.SCRIPT.is_file(), reason="Azurite is not installed: run `make setup`")


def gone(pid: int) -> bool:
    """No such process, or only its zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


async def test_serves_tables_and_queues_and_stops() -> None:
    async with Azurite() as storage:
        assert storage.blob.startswith("http://127.0.0.1:")
        assert len({storage.blob, storage.queue, storage.table}) == 3
        async with TableServiceClient.from_connection_string(storage.connection_string) as tables:
            table = await tables.create_table("register")
            await table.create_entity({"PartitionKey": "p", "RowKey": "r", "value": 1})
            assert (await table.get_entity("p", "r"))["value"] == 1
            await table.close()
        async with QueueServiceClient.from_connection_string(storage.connection_string) as queues:
            await queues.create_queue("reconcile")
            assert [queue.name async for queue in queues.list_queues()] == ["reconcile"]
        process = storage._process
        assert process is not None
    assert gone(process.pid)


def test_ends_when_its_owner_is_killed() -> None:
    owner = textwrap.dedent("""
        import os, signal
        from sandbox.azurite import Azurite
        storage = Azurite().start()
        print(storage._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    command = [sys.executable, "-c", owner]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    pid = int(done.stdout)
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([pidfd], [], [], 5)
    os.close(pidfd)
    assert ended, f"Azurite {pid} outlived its owner"


def test_keeps_its_data_in_a_folder(tmp_path: Path) -> None:
    storage = Azurite(tmp_path).start()
    storage.stop()
    storage.stop()
    assert any(path.name.startswith("__azurite_db_table__") for path in tmp_path.iterdir())


def test_not_installed_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(azurite, "SCRIPT", tmp_path / "azurite.js")
    with pytest.raises(AzuriteError, match="make setup"):
        Azurite().start()


def test_a_failed_start_shows_its_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "azurite.js"
    broken.write_text("console.log('no space left'); process.exit(3)", encoding="utf-8")
    monkeypatch.setattr(azurite, "SCRIPT", broken)
    with pytest.raises(AzuriteError, match=r"exit code 3[\s\S]*no space left"):
        Azurite().start()
