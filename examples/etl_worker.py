"""A worker that enriches records and resumes where it was stopped. It needs no model.

pip install ./sdks/python    # in a checkout of Memtrace; elsewhere "memtrace-sdk>=0.3"
export MEMTRACE_URL=http://localhost:9100 MEMTRACE_API_KEY=mtk_...
python etl_worker.py       # stop it with Ctrl-C, kill it, pull the plug; then start it again
python etl_worker.py 40    # at most 40 records, then it stops
"""

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from memtrace import AddMemoryRequest, ListOptions, Memtrace

AGENT = "enricher"
JOB = "enrich_companies_2026_11"  # the session: one job, however many runs it takes
BATCH = 25
MOST_ATTEMPTS = 3

memtrace = Memtrace()  # MEMTRACE_URL, MEMTRACE_API_KEY


def records() -> Iterator[str]:
    """The source. It must give the same ids each time."""
    return (f"company_{number:05d}" for number in range(100))


def enrich(record: str) -> str:
    """The work. It may be done twice for records that were under way when the worker stopped."""
    if record.endswith("7"):
        raise TimeoutError("the registry did not answer")
    return f"{record}: 12 employees"


def progress() -> tuple[set[str], Counter[str]]:
    """From memory: what is done, and how often each of the others has failed."""
    done: set[str] = set()
    failures: Counter[str] = Counter()
    for memory in memtrace.iter_session_memories(JOB, ListOptions(limit=1000)):
        record = (memory.metadata or {})["record"]
        if memory.event_type == "record_done":
            done.add(record)
        else:
            failures[record] += 1
    return done, failures


def attempt(record: str, number: int) -> AddMemoryRequest:
    """What is remembered of one attempt. The key makes sure that it is remembered once."""
    try:
        event, content = "record_done", enrich(record)
    except TimeoutError as error:
        event, content = "error", f"{record}: {error} (attempt {number})"
    return AddMemoryRequest(
        agent_id=AGENT,
        session_id=JOB,
        memory_type="episodic",
        event_type=event,
        content=content,
        metadata={"record": record},
        dedup_key=f"{JOB}:{record}:{'done' if event == 'record_done' else number}",
    )


def main(most: int | None) -> None:
    done, failures = progress()
    print(f"{len(done)} records are done, {len(failures)} have failed before")
    left = (record for record in records() if record not in done and failures[record] < MOST_ATTEMPTS)
    todo = islice(left, most)
    while batch := list(islice(todo, BATCH)):
        outcomes = [attempt(record, failures[record] + 1) for record in batch]
        memtrace.add_memories(outcomes)  # the checkpoint: after this, these records are not done again
        failed = sum(one.event_type == "error" for one in outcomes)
        print(f"{batch[0]} to {batch[-1]}: {len(batch) - failed} done, {failed} failed")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
