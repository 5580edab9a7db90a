"""The Dockerfile: what it says, and that it works when its steps are done by hand."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.installation import Running, finished
from tests.packaging.image import ROOT, Image, allowed_in_context, stages
from tests.packaging.processes import bound_org, first_memory, keys_in, serving, spawned

_KEY: Final = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
_NO_PORT: Final = {"MEMTRACE_SERVER_HOST": "127.0.0.1", "MEMTRACE_SERVER_PORT": "0"}
_ARGUMENTS, (_BUILD, _FINAL) = stages((ROOT / "Dockerfile").read_text())
_IGNORED: Final = (ROOT / ".dockerignore").read_text()


# --- what it says


def test_both_stages_stand_on_one_slim_pinned_base() -> None:
    assert _BUILD.base == _FINAL.base
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", _FINAL.base)


def test_it_runs_as_a_user_without_rights_given_by_number() -> None:
    """By number, so that an engine can see that it is not root."""
    user, group = _FINAL.one("USER").rest.split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    (made,) = [step.rest for step in _FINAL.of("RUN")]
    assert f"--gid {group} memtrace" in made
    assert f"--uid {user}" in made
    assert "install -d -m 700 -o memtrace -g memtrace /var/lib/memtrace" in made
    assert [step.word for step in _FINAL.steps].index("USER") > [s.word for s in _FINAL.steps].index("RUN")


def test_no_secret_is_built_in() -> None:
    names = {*_ARGUMENTS, *_BUILD.environment(), *_FINAL.environment()}
    names |= {step.rest.partition("=")[0] for stage in (_BUILD, _FINAL) for step in stage.of("ARG")}
    assert [name for name in names if re.search("KEY|TOKEN|SECRET|PASS", name)] == []


def test_what_is_copied_is_there_and_is_all_that_the_engine_is_sent() -> None:
    copied = [source for step in _BUILD.of("COPY") for source in step.words()[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [source for source in copied if not allowed_in_context(_IGNORED, source)] == []
    rules = [line for line in _IGNORED.splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(copied)


def test_the_last_stage_takes_only_the_environment_from_the_first() -> None:
    assert [step.rest for step in _FINAL.of("COPY")] == ["--from=build /opt/memtrace /opt/memtrace"]


def test_everything_is_installed_by_hash_and_nothing_is_compiled() -> None:
    installs = re.findall(r"pip .*?install (.*?)(?:&&|$)", " ".join(s.rest for s in _BUILD.of("RUN")))
    assert len(installs) == 3
    for arguments in installs:
        locked = "--require-hashes" in arguments and "--only-binary :all:" in arguments
        assert "--no-deps" in arguments
        assert locked or "--no-index" in arguments, arguments


def test_state_is_a_volume_of_its_own_and_the_port_is_the_default() -> None:
    (volume,) = _FINAL.one("VOLUME").words()
    assert _FINAL.environment()["MEMTRACE_AUTH_DB_PATH"] == f"{volume}/memtrace.db"
    assert _FINAL.one("WORKDIR").rest == volume
    assert _FINAL.one("EXPOSE").rest == "9100"


def test_it_is_asked_for_its_health_by_its_own_command() -> None:
    options, _, command = _FINAL.one("HEALTHCHECK").rest.partition(" CMD ")
    assert command == '["memtrace", "health"]'
    assert {option.partition("=")[0] for option in options.split()} == {
        "--interval", "--timeout", "--start-period", "--retries",
    }  # fmt: skip


# --- that it works


def test_the_image_holds_no_tools_for_building(image: Image) -> None:
    (site,) = (image.folder / "opt/memtrace/lib").glob("python3.*/site-packages")
    present = {path.name for path in site.iterdir()}
    assert "memtrace_server" in present
    assert present & {"pip", "hatchling", "setuptools", "pytest"} == set()


def test_only_the_step_that_makes_the_user_was_not_replayed(image: Image) -> None:
    assert image.steps_for_root() == image.final.of("RUN")


async def test_a_container_serves_is_healthy_and_stops_in_order(
    image: Image, tmp_path: Path, started: list[Running]
) -> None:
    env = image.environment(
        **_NO_PORT, MEMTRACE_MASTER_KEY=_KEY, MEMTRACE_AUTH_DB_PATH=str(tmp_path / "memtrace.db")
    )
    entrypoint = image.final.one("ENTRYPOINT").words()
    healthy = image.final.one("HEALTHCHECK").rest.partition(" CMD ")[2]
    assert (await finished(["sh", "-c", "memtrace health"], env=env)).returncode == 1
    key = await bound_org(entrypoint, tmp_path / "store", env=env)
    line = [*entrypoint, *image.final.one("CMD").words()]
    server = await spawned(line, env=env, output=tmp_path / "output", started=started)
    await first_memory(await serving(server), key)
    assert healthy == '["memtrace", "health"]'
    assert (await finished(["memtrace", "health"], env=env)).returncode == 0
    assert await server.stop() == 0
    assert keys_in(server.printed) == []


async def test_without_a_master_key_a_container_says_so(image: Image) -> None:
    done = await finished(["memtrace", "serve"], env=image.environment(**_NO_PORT))
    assert done.returncode == 1
    assert "MEMTRACE_MASTER_KEY is not set" in done.stderr


@pytest.mark.parametrize("word", ["ADD", "MAINTAINER", "SHELL", "ONBUILD"])
def test_no_instruction_does_more_than_it_says(word: str) -> None:
    assert _BUILD.of(word) == _FINAL.of(word) == []
