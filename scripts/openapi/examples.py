"""All examples: one story, which a test tells to the service from its beginning.

Ids and times are those of some other day; the test sees to it that one id here is one id there.
"""

from functools import cache
from typing import Final

from scripts.openapi.deleting import DELETING
from scripts.openapi.example import Example
from scripts.openapi.prose import OPERATIONS
from scripts.openapi.reading import READING
from scripts.openapi.writing import WRITING

STORY: Final = (*WRITING, *READING, *DELETING)


@cache
def of_operation(name: str) -> tuple[Example, ...]:
    """The examples of one operation, in the story's order."""
    return tuple(example for example in STORY if example.operation == name)


@cache
def of_operation_id(id: str) -> tuple[Example, ...]:
    """The same, by the name that the operation has in the document."""
    return tuple(
        example for name, prose in OPERATIONS.items() if prose.id == id for example in of_operation(name)
    )
