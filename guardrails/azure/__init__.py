"""Azure Resource Manager, Event Grid payloads and identity: with register/ and notify/ all that imports azure.*."""
