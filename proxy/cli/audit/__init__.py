"""`moratorium audit`: is the log whole, what does it say, and whom can it be shown to."""

# Imported only when asked for, as all verbs are: `verify` needs no analytical engine.
VERBS = {
    "verify": "read audit files, and name what does not fit",
    "key": "print the public key of what signs checkpoints",
}
