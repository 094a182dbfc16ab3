"""The proof run: kills, a full disk and rotations under load; then every answer has its record."""
