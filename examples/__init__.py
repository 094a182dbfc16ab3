"""Things to start from: what somebody would write who adds to moratorium."""
