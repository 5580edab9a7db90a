"""The README's first write and read, as a newcomer copies them."""

import json
import re
from pathlib import Path
from typing import Any, Final

from tests.e2e.installation import ROOT, Installation, environment, finished

README: Final = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def answers(output: str) -> list[dict[str, Any]]:
    """JSON documents that stand one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(output):
        document, at = decoder.raw_decode(output, at)
        found.append(document)
    return found


def without_what_differs(answer: dict[str, Any]) -> dict[str, Any]:
    """Times, and ids that are made of them, are other ones each time."""
    text = re.sub(r"mem_[0-9a-f]{24}", "mem_", json.dumps(answer))
    cleaned: dict[str, Any] = json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "then", text))
    return cleaned


async def test_the_first_write_and_read_answer_as_the_readme_shows(installation: Installation) -> None:
    await installation.dev()
    script, *_ = blocks("sh")
    done = await finished(["sh", "-euc", script], env=environment(), cwd=installation.folder)
    assert done.returncode == 0, done.stderr
    shown = [json.loads(block) for block in blocks("json")]
    assert [without_what_differs(answer) for answer in answers(done.stdout)] == [
        without_what_differs(answer) for answer in shown
    ]


async def test_the_first_write_and_read_fit_one_screen() -> None:
    before_answers, _, _ = README.partition("The answers, here")
    assert len(before_answers.splitlines()) <= 50


async def test_the_example_of_the_sdk_runs(installation: Installation, sdk_python: Path) -> None:
    await installation.dev()
    (script,) = blocks("python")
    done = await finished([sdk_python, "-c", script], env=environment(**installation.env))
    assert done.returncode == 0, done.stderr
    count, _, context = done.stdout.partition("\n")
    assert count == "2"
    assert context.startswith("## Session Context (sess_2)\n\n### Decisions Made (1)\n")


async def test_the_readme_names_the_sdk_that_the_tests_use() -> None:
    (version,) = re.findall(
        r"memtrace-sdk==([0-9.]+)", (Path(__file__).parent / "sdk-requirements.txt").read_text()
    )
    assert f"memtrace-sdk=={version}" in README
