"""The version of this package; the server's has the same first two numbers."""

__version__ = "0.3.0"
