"""Real clients, each as its users have it, against a running proxy: what they see, and how often they ask."""
