"""Whatever bytes come as a head: one message or a refusal, read alike by others, and never a way around."""
