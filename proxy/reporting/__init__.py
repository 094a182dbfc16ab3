"""READING: what audit files say, for people who ask and for the law."""
