"""A real proxy between a raw client and a recording upstream, all in one event loop, on ephemeral ports."""
