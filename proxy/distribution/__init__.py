"""A policy that comes from an address: signed bundles, fetched, checked, kept on disk and handed on."""
