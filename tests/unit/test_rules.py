"""What a set of rules covers, and which of them a question needs to know."""

from itertools import product

import pytest

from core.model.deletion import Graves
from core.model.memory import Exclusion, MemoryFilter, Rules

RULES = (
    Exclusion(until=1),
    Exclusion(until=3, session_id="s"),
    Exclusion(until=5, session_id="s"),
    Exclusion(until=4, session_id="t"),
    Exclusion(until=6, session_id="t", agent_ids=("a",)),
    Exclusion(until=2, agent_ids=("a", "b")),
)
VALUES = list(product(range(8), ("", "s", "t", "u"), ("a", "b", "c")))


@pytest.mark.parametrize("wrap", [tuple, Rules])
def test_rules_found_by_session_cover_what_each_of_them_covers(wrap: type[tuple[Exclusion, ...]]) -> None:
    graves = Graves(wrap(RULES))
    for value in VALUES:
        assert graves.excludes(*value) == any(rule.covers(*value) for rule in RULES), value


@pytest.mark.parametrize(
    ("filter", "carried"),
    [
        (MemoryFilter(), 6),
        (MemoryFilter(session_id="u"), 2),
        (MemoryFilter(session_id="t", agent_ids=("b",)), 3),
        (MemoryFilter(agent_ids=("c", "d")), 4),
    ],
)
def test_a_question_carries_only_rules_that_may_cover_an_answer(filter: MemoryFilter, carried: int) -> None:
    left = Graves(Rules(RULES)).left_of(filter).excluded
    assert len(left) == carried
    for time, session, agent in VALUES:
        if filter.session_id in ("", session) and (not filter.agent_ids or agent in filter.agent_ids):
            value = time, session, agent
            assert Rules(left).cover(*value) == Rules(RULES).cover(*value), value
