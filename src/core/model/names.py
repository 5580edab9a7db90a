"""What a name that people give may hold: of an agent, an organization, a key."""

import re
from typing import Final

breaks_line: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
"""Finds control characters, line separators and halves of characters; not the joiners of emoji."""
