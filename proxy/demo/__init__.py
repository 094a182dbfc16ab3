"""The demonstration: a real face recogniser, the proxy in front of it, and a cast of callers.

Needs the extra `demo`. Nothing of the product imports this package.
"""
