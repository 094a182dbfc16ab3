"""`moratorium audit`: is the log whole, what does it say, and whom can it be shown to."""

# Imported only when asked for, as all verbs are: `verify` needs no analytical engine.
VERBS = {
    "verify": "read audit files, and name what does not fit",
    "query": "who, what, when, what was said and why",
    "reconcile": "hold records, metrics and what the face API saw against each other",
    "export": "what one organisation can be given, and check without us",
    "report": "what was decided in a range of time, for the law and the public",
    "key": "print the public key of what signs checkpoints",
}
