"""Azure Resource Manager over HTTP on loopback: policy exemptions at every scope, and what they hang on.

`server.Arm` is the stand-in. Everything is in memory. `store` holds the resources, `access` says who may do what,
`faults` makes it slow or broken on request, `control` is the API under `/_sandbox/`.
"""
