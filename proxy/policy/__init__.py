"""MAY IT: callers, operations, moratoria, exemptions and the decision. Pure, from values to values."""
