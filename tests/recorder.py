"""A transport that counts."""

from typing import Any, Final

from azure.core.pipeline.transport import AioHttpTransport

_READS: Final = frozenset({"GET"})


class Recorder(AioHttpTransport):  # type: ignore[misc]
    """A real transport that counts what goes through it."""

    def __init__(self) -> None:
        super().__init__(use_env_settings=False)
        self.methods: list[str] = []

    async def send(self, request: Any, **options: Any) -> Any:
        self.methods.append(request.method)
        return await super().send(request, **options)

    def take(self) -> tuple[int, int]:
        """Return reads and writes since the last call."""
        reads = sum(method in _READS for method in self.methods)
        writes = len(self.methods) - reads
        self.methods.clear()
        return reads, writes
