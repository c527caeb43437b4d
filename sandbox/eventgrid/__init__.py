"""Event Grid on loopback: `events` builds what a subscription's system topic says, `delivery` pushes it."""
