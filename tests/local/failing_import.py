"""A handler that cannot be imported."""

raise RuntimeError("as it should be")
