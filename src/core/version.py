"""The version of this service; a test holds it equal to the distribution's."""

from typing import Final

VERSION: Final = "0.3.0"
