"""A play in acts under load: window edges, key rotation, reloads, an outage; no answer may be wrong.

`./run python -m tests.play` plays all of it against a real process, and counts answers that nobody could have
expected at their instant.
"""
