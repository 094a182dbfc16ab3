"""WHO: from one credential slot to a token, from a token to a `Caller`. Keys belong to their issuer."""
