"""Long and heavy runs against `python -m proxy serve`: mixed traffic for minutes, and memory under load."""
