"""A thin stand-in for the Azure Functions host.

The worker is the real one: `azure-functions-runtime`, the library that indexes and runs Python 3.13 functions in Azure.
Around it this package does what the host does: the Event Grid webhook, HTTP routes, queue polling with dequeue counts
and poison queues, timers, and `/admin`. One app per process, because the worker library keeps its state in modules.

    python -m sandbox.host --app DIR --port N

Left out, as the sandbox has no use for it: function keys are not checked, `functionTimeout` is not enforced, and output
bindings other than an HTTP answer are refused at start-up.
"""
