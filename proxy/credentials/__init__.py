"""The face API's own credential: what it is made of, and how it gets into a call that goes on."""
