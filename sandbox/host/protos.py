"""Plain stand-ins for the protobuf messages that the worker library fills in.

The worker gets its message classes from whoever starts it (`properties["protos"]`), so it needs no protobuf. Only the
messages of start-up and indexing are here: invocations go through `invocation_request_native`, which uses none.
Names and numbers follow FunctionRpc.proto of azure-functions-language-worker-protobuf.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class BindingInfo:
    """One binding of a function; `direction` is 0 (in), 1 (out) or 2 (inout)."""

    type: str
    data_type: int | None
    direction: int

    out = 1
    inout = 2
    undefined = 0


@dataclass
class RpcException:
    """What went wrong in the app: message with the exception's type, and its traceback."""

    message: str
    stack_trace: str


@dataclass
class StatusResult:
    """Success or failure of one request to the worker."""

    status: int
    exception: RpcException | None = None

    Failure = 0
    Success = 1


@dataclass
class WorkerMetadata:
    """Which language and version answered."""

    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: dict[str, str]


@dataclass
class WorkerInitResponse:
    """The answer to the first request; a failed indexing of the app shows in `result`."""

    capabilities: dict[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass
class RpcRetryOptions:
    """A retry policy from the app's decorators. The sandbox's host ignores it."""

    max_retry_count: int
    retry_strategy: str
    delay_interval: Any = None
    minimum_interval: Any = None
    maximum_interval: Any = None


@dataclass
class RpcFunctionMetadata:
    """One indexed function. `raw_bindings` are JSON texts, one a binding."""

    name: str
    function_id: str
    managed_dependency_enabled: bool
    directory: str
    script_file: str
    entry_point: str
    is_proxy: bool
    language: str
    bindings: dict[str, BindingInfo]
    raw_bindings: list[str]
    retry_options: RpcRetryOptions | None
    properties: dict[str, str]


@dataclass
class FunctionMetadataResponse:
    """All indexed functions of the app."""

    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult = field(default_factory=lambda: StatusResult(StatusResult.Success))
