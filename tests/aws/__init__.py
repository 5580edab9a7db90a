"""AWS over both transports."""
