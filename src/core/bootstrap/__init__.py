"""Builds everything from the settings, and closes it in reverse: the only package that names adapters.

One module for each thing that runs: `server`, `flusher`, `admin` (a one-shot command). Each imports
only what it needs, so that a flusher carries no server.
"""
