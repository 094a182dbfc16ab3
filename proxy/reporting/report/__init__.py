"""The transparency report: counted, kept from telling of single people, and rendered in four forms."""
