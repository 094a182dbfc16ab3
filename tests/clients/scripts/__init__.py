"""What runs in the clients' own environments. Nothing here may need anything but the client and Python."""
