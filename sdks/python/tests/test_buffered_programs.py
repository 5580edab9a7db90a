"""The buffered writer in programs: many threads, and an end without closing."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from answering import Store, asked, client
from memtrace import WriteCounts

PATIENCE = 30.0


def test_many_threads_share_one_writer() -> None:
    store = Store()
    with client(store) as made, made.buffered(max_batch=7, max_delay=0.0, max_pending=10) as writer:

        def add(number: int) -> None:
            for i in range(50):
                writer.add(asked(f"{number}-{i}"))

        threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert writer.flush() == WriteCounts(created=200)
    for number in range(4):
        assert [c for c in store.contents if c.startswith(f"{number}-")] == [
            f"{number}-{i}" for i in range(50)
        ]


PROGRAM = """
import httpx, sys
from answering import Store, asked, client, error
store = Store()
def answer(request):
    if len(sys.argv) > 1:
        return error(403)
    stored = store(request)
    print(*store.contents)
    return stored
client(answer).buffered(max_delay=3600).add(asked("last"))
"""


def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A program that finds the SDK and the servers of these tests."""
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]
    line = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        f"import sys; sys.path[:0] = {paths}\n{program}",
        *arguments,
    ]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


FORKING = """
import os, sys
from answering import Store, asked, client
store = Store()
writer = client(store).buffered(max_delay=3600)
writer.add(asked("of the parent"))
child = os.fork()
if not child:
    for use in (lambda: writer.add(asked("of the child")), writer.flush):
        try:
            use()
        except RuntimeError as e:
            assert "fork" in str(e)
        else:
            os._exit(1)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
writer.close()
print(*store.contents)
"""


@pytest.mark.parametrize(
    ("arguments", "out", "err"), [([], "last\n", ""), (["refuse"], "", "BufferedWriteError")]
)
def test_a_program_that_ends_without_closing_loses_nothing_without_a_word(
    arguments: list[str], out: str, err: str
) -> None:
    done = run(PROGRAM, *arguments)
    assert done.stdout == out
    assert err in done.stderr


def test_a_process_leaves_what_it_forked_from_to_its_parent() -> None:
    done = run(FORKING)
    assert (done.returncode, done.stdout) == (0, "of the parent\n")


INTERRUPTED = """
import signal, threading
from answering import Store, asked, client
from memtrace import BufferedWriteError
asked_for, release = threading.Event(), threading.Event()
def hanging(request):
    asked_for.set()
    release.wait()
    return Store()(request)
made = client(hanging)
writer = made.buffered(max_batch=1)
writer.add(asked("stored"))
writer.add(asked("left"))
asked_for.wait()
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    writer.close()
except KeyboardInterrupt:
    threading.Timer(0.05, release.set).start()
try:
    made.close()
except BufferedWriteError as e:
    print([failure.request.content for failure in e.failures], writer.counts.created)
"""


def test_an_interrupt_while_closing_hides_nothing_from_who_closes_again() -> None:
    done = run(INTERRUPTED)
    assert (done.stderr, done.stdout) == ("", "['left'] 1\n")
