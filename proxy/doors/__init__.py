"""One wire protocol each, with no rule and no reason of its own."""
