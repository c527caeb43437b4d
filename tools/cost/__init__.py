"""What running the service costs: operations counted in the sandbox, times list prices. See docs/cost.md."""
