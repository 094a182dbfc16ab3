"""From settings to parts. Reads the files that settings name; nothing runs here."""
