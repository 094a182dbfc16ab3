"""Reconciliation: do the records, the metrics, what the face API saw and what clients got agree."""
