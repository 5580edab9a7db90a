"""The folder that the whole service is installed in; in a checkout it holds the launcher alone."""
