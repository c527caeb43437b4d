"""The scan's page, drawn: light, dark, on a phone, on paper. Of the tenant of `make scan-demo`, at a fixed time."""

import asyncio
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pypdfium2

from guardrails.exemption.times import spell_time
from sandbox.cloud import Cloud
from sandbox.microsoft_graph import MicrosoftGraph, Principal
from sandbox.scan_bypasses import ruleset
from sandbox.scan_demo import OWNERS, PIPELINE, furnish

from .browser import Tab
from .png import chunk, smaller

SHOTS: Final = ("scan-light", "scan-dark", "scan-phone", "scan-print")
NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
PHONE: Final = (390, 844)
"""A common phone's screen, in CSS pixels."""

_DESKTOP: Final = (1200, 980)
_ROOT: Final = Path(__file__).parents[2]
_DOTS: Final = 84
"""Pixels an inch, of the picture of a sheet of paper."""


async def shots(tab: Tab) -> Mapping[str, bytes]:
    """Return the pictures by name."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        file = Path(folder) / "scan.html"
        await write(file)
        await tab.screen(*_DESKTOP)
        await tab.open(file.as_uri())
        for name in ("light", "dark"):
            await tab.scheme(name)
            found[f"scan-{name}"] = smaller(await tab.picture(*_DESKTOP))
        await tab.scheme("light")
        found["scan-print"] = smaller(_sheet(await tab.print(), "Findings"))
        await tab.screen(*PHONE)
        found["scan-phone"] = smaller(await tab.picture(*PHONE))
    return found


async def write(file: Path) -> None:
    """Scan the tenant of the demo, with the names of its principals, and write the page. Raises RuntimeError."""
    graph = MicrosoftGraph()
    graph.principals["00000000-0000-4000-8000-000000000001"] = Principal(
        "policy-pipeline", "servicePrincipal", PIPELINE
    )
    rules = file.with_name("contoso.yaml")
    rules.write_text(ruleset(OWNERS[-1]), encoding="utf-8")
    async with Cloud() as cloud:
        await graph.start()
        try:
            furnish(cloud.arm, NOW)
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith(("Azure", "GUARDRAILS"))},
                **cloud.identity.environment,
                "GUARDRAILS_ARM_ENDPOINT": cloud.addresses["arm"],
                "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com",
                "GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT": graph.address,
                "GUARDRAILS_RULESET": str(rules),
            }
            words = ("scan", "--quiet", "--names", "--exit-zero", "--now", spell_time(NOW), "--out", str(file))
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "guardrails", *words,
                cwd=_ROOT, env=environment, stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            if await process.wait():
                raise RuntimeError("the scan failed; what it printed is above")
        finally:
            await graph.stop()


def sheets(document: bytes) -> list[str]:
    """Return the text of each page of a PDF."""
    with pypdfium2.PdfDocument(document) as pages:
        return [page.get_textpage().get_text_bounded() for page in pages]


def _sheet(document: bytes, word: str) -> bytes:
    """Return the second page of a PDF that has a word on it, as PNG: a whole page of the list."""
    number = [place for place, text in enumerate(sheets(document)) if word in text][1]
    with pypdfium2.PdfDocument(document) as pages:
        bitmap = pages[number].render(scale=_DOTS / 72, rev_byteorder=True)
        width, height, stride, size = bitmap.width, bitmap.height, bitmap.stride, bitmap.n_channels
        data = bytes(bitmap.buffer)
    rows = [data[y * stride : y * stride + width * size] for y in range(height)]
    packed = b"".join(b"\0" + b"".join(row[at : at + 3] for at in range(0, len(row), size)) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)
