"""`rlhf-otel-instrument`: runs a command with recording switched on in every Python process that it starts.

`command` prepares the environment and becomes the command; `site/sitecustomize.py` is what Python runs first in each
process; `child` switches recording on there; `instrumentors` activates the other OpenTelemetry instrumentations.
"""
