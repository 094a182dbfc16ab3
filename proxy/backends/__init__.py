"""WHAT: from a request head to an operation and its classes; from a refusal to the backend's own answer.

One file and one table per face API. No backend knows another.
"""
