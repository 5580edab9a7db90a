"""The edge as in Lambda, in a hurry."""

from tests.split.hurry import hurry

hurry()

from handlers.lambda_api import handler  # noqa: E402

__all__ = ["handler"]
