"""PROOF: what was decided, one line a decision, written before the call goes on."""
