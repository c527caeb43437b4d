"""Reports on many exemptions at once: what was found, as JSON, CSV, markdown and HTML. Pure but for the survey."""
