"""infra/compose.yaml: what it gives to whom, and that its commands work on what the Dockerfile makes."""

import base64
import json
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from core.settings import ServerSettings, every_setting
from tests.e2e.installation import Running, finished, until
from tests.packaging.image import ROOT, Image
from tests.packaging.processes import bare_environment, bound_org, first_memory, keys_in, serving, spawned
from tests.source import SRC

_FILE: Final = ROOT / "infra" / "compose.yaml"
_COMPOSE: Final[dict[str, Any]] = yaml.safe_load(_FILE.read_text())
_SERVICES: Final[dict[str, dict[str, Any]]] = _COMPOSE["services"]
_OURS: Final = ("memtrace", "flusher")
_KEYS: Final = {
    "build", "cap_drop", "command", "depends_on", "entrypoint", "env_file", "environment", "healthcheck",
    "image", "logging", "networks", "ports", "read_only", "restart", "security_opt", "stop_grace_period",
    "tmpfs", "volumes",
}  # fmt: skip
"""Of the compose specification, those that we mean to use."""


_ENGINE: Final = """#!/bin/sh
# A stand-in for the container engine: `exec` runs the command here, and what is up is up already.
[ "$1 $2 $3" = "compose --file infra/compose.yaml" ] || exit 64
shift 3
case $1 in
up) ;;
exec) [ "$2 $3" = "-T memtrace" ] && shift 3 && exec "$@" ;;
*) exit 64 ;;
esac
"""


def seconds(text: str) -> int:
    assert text.endswith("s"), text
    return int(text.removesuffix("s"))


def secrets(folder: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """infra/secrets, run in a folder of its own; what is in the files then."""
    script = folder / "infra" / "secrets"
    if not script.exists():
        script.parent.mkdir(parents=True)
        shutil.copy(ROOT / "infra" / "secrets", script)
    done = subprocess.run([script], capture_output=True, text=True, timeout=20, check=True)
    lines = [line for file in script.parent.glob("*.env") for line in file.read_text().splitlines()]
    return done, dict(line.split("=", 1) for line in lines)


# --- what it says


def test_every_key_is_one_of_the_specification() -> None:
    assert {key for service in _SERVICES.values() for key in service} <= _KEYS
    assert set(_COMPOSE) == {"name", "x-memtrace", "services", "volumes", "networks"}


def test_nothing_but_memtrace_is_published_and_that_on_loopback() -> None:
    ports = {name: service["ports"] for name, service in _SERVICES.items() if "ports" in service}
    assert ports == {"memtrace": ["127.0.0.1:${PORT:-9100}:9100"]}


def test_arc_is_reached_by_memtrace_alone_and_reaches_nobody() -> None:
    assert _SERVICES["arc"]["networks"] == ["store"]
    assert _COMPOSE["networks"]["store"] == {"internal": True}
    assert all(_SERVICES[name]["networks"] == ["edge", "store"] for name in _OURS)


def test_secrets_come_from_files_and_only_to_those_who_need_them() -> None:
    assert [_SERVICES[name]["env_file"] for name in (*_OURS, "arc")] == [*["memtrace.env"] * 2, "arc.env"]
    given = {name for service in _SERVICES.values() for name in service.get("environment", {})}
    assert [name for name in given if any(word in name for word in ("KEY", "TOKEN", "SECRET"))] == []


def test_the_files_of_secrets_are_kept_out_of_commits_and_images() -> None:
    assert "/infra/*.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert "!infra" not in (ROOT / ".dockerignore").read_text()


def test_every_variable_of_ours_is_a_setting() -> None:
    known = {one.variable for one in every_setting()}
    given = {name for name in _OURS for name in _SERVICES[name].get("environment", {})}
    assert given == {"MEMTRACE_FLUSHER_EMBEDDED"}
    assert given <= known


def test_all_have_a_health_check_and_start_in_order() -> None:
    assert "healthcheck" in _SERVICES["arc"]
    assert _SERVICES["memtrace"]["depends_on"] == {"arc": {"condition": "service_healthy"}}
    assert _SERVICES["flusher"]["depends_on"] == {"memtrace": {"condition": "service_healthy"}}


def test_stopping_may_take_longer_than_the_server_takes() -> None:
    for name in _OURS:
        assert seconds(_SERVICES[name]["stop_grace_period"]) > ServerSettings().shutdown_timeout


def test_memtrace_can_write_nowhere_but_to_its_volume() -> None:
    for name in _OURS:
        service = _SERVICES[name]
        assert service["read_only"] is True
        assert service["volumes"] == ["memtrace:/var/lib/memtrace"]
        assert service["tmpfs"] == ["/tmp"]


def test_nobody_can_gain_rights() -> None:
    for service in _SERVICES.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_volumes_are_named_so_that_data_outlives_containers() -> None:
    used = {volume.partition(":")[0] for service in _SERVICES.values() for volume in service["volumes"]}
    assert used == set(_COMPOSE["volumes"])


def test_logs_are_bounded() -> None:
    assert all(
        service["logging"]["options"].keys() == {"max-size", "max-file"} for service in _SERVICES.values()
    )


def test_arc_is_set_up_as_memtrace_needs_it() -> None:
    arc = _SERVICES["arc"]["environment"]
    assert all(isinstance(value, str) for value in arc.values()), "YAML made something else of a text"
    assert arc["TZ"] == "UTC"
    assert arc["ARC_TELEMETRY_ENABLED"] == "false"
    assert arc["ARC_AUTH_ENABLED"] == arc["ARC_DELETE_ENABLED"] == arc["ARC_WAL_ENABLED"] == "true"
    assert {"ARC_INGEST_MAX_BUFFER_AGE_MS", "ARC_INGEST_MAX_BUFFER_SIZE"} <= arc.keys()
    (volume,) = _SERVICES["arc"]["volumes"]
    paths = [value for name, value in arc.items() if name.endswith(("_PATH", "_DIRECTORY"))]
    assert len(paths) == 5
    assert all(path.startswith(volume.partition(":")[2]) for path in paths)


def test_the_image_of_arc_is_of_one_version() -> None:
    default = _SERVICES["arc"]["image"].removeprefix("${ARC_IMAGE:-").removesuffix("}")
    name, _, version = default.partition(":")
    assert name == "ghcr.io/basekick-labs/arc"
    assert version.replace(".", "").isdigit()


# --- that it works


def test_secrets_are_made_once_for_the_eyes_of_their_owner(tmp_path: Path) -> None:
    first, values = secrets(tmp_path)
    assert values.keys() == {"MEMTRACE_MASTER_KEY", "ARC_AUTH_BOOTSTRAP_TOKEN"}
    assert len(base64.b64decode(values["MEMTRACE_MASTER_KEY"])) == 32
    assert len(values["ARC_AUTH_BOOTSTRAP_TOKEN"]) >= 32
    assert not any(value in first.stdout + first.stderr for value in values.values())
    for file in (tmp_path / "infra").glob("*.env"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again, kept = secrets(tmp_path)
    assert kept == values
    assert "there already" in again.stderr


async def test_server_and_flusher_work_as_two_containers_on_one_volume(
    image: Image, tmp_path: Path, started: list[Running]
) -> None:
    given = {**secrets(tmp_path)[1], **_SERVICES["memtrace"]["environment"]}
    del given["ARC_AUTH_BOOTSTRAP_TOKEN"]
    env = image.environment(
        **given,
        MEMTRACE_AUTH_DB_PATH=str(tmp_path / "memtrace.db"),
        MEMTRACE_SERVER_HOST="127.0.0.1",
        MEMTRACE_SERVER_PORT="0",
    )
    key = await bound_org(["memtrace"], tmp_path / "store", env=env)
    is_flushing = _SERVICES["flusher"]["healthcheck"]["test"][1:]
    server = await spawned(
        _SERVICES["memtrace"]["entrypoint"], env=env, output=tmp_path / "server", started=started
    )
    url = await serving(server)
    assert (await finished(is_flushing, env=env)).returncode == 1
    line = [*image.final.one("ENTRYPOINT").words(), *_SERVICES["flusher"]["command"]]
    flusher = await spawned(line, env=env, output=tmp_path / "flusher", started=started)
    await flusher.says("flusher_started")
    assert (await finished(is_flushing, env=env)).returncode == 0, shlex.join(is_flushing)
    await first_memory(url, key)
    assert await flusher.stop() == 0
    assert await server.stop() == 0


async def test_the_documented_commands_lead_to_a_first_memory_in_arc(
    image: Image, tmp_path: Path, started: list[Running]
) -> None:
    """As docs/install.md has them, with an engine that runs commands beside it and a double for Arc."""
    given = secrets(tmp_path)[1]
    token = given.pop("ARC_AUTH_BOOTSTRAP_TOKEN")
    double: list[str | Path] = [
        sys.executable,
        "-m",
        "local.arc",
        "--data",
        tmp_path / "arc",
        "--token",
        token,
    ]
    arc = await spawned(
        double, env=bare_environment(PYTHONPATH=str(SRC)), output=tmp_path / "arc-output", started=started
    )
    arc_url = (await arc.says(r"http://\S+"))[0]
    env = image.environment(
        **given,
        **_SERVICES["memtrace"]["environment"],
        MEMTRACE_AUTH_DB_PATH=str(tmp_path / "memtrace.db"),
        MEMTRACE_SERVER_HOST="127.0.0.1",
        MEMTRACE_SERVER_PORT="0",
    )
    server = await spawned(
        _SERVICES["memtrace"]["entrypoint"], env=env, output=tmp_path / "server", started=started
    )
    url = await serving(server)
    (tmp_path / "docker").write_text(_ENGINE)
    (tmp_path / "docker").chmod(0o755)
    (commands,) = re.findall(
        r"```sh\n(compose\(\) .*?)```", (ROOT / "docs/install.md").read_text(), re.DOTALL
    )
    script = commands.replace("http://arc:8000", arc_url).replace("http://127.0.0.1:9100", url)
    assert script.count(arc_url) == script.count(url) == 1
    there = {**env, "PATH": f"{tmp_path}:{env['PATH']}"}
    done = await finished(["sh", "-euc", script], env=there, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["content"] == "the first memory"
    assert token not in done.stdout + done.stderr + server.printed

    line = [*image.final.one("ENTRYPOINT").words(), *_SERVICES["flusher"]["command"]]
    flusher = await spawned(line, env=env, output=tmp_path / "flusher", started=started)
    await flusher.says("flusher_started")
    assert await flusher.stop() == 0
    assert "batch_delivered" in flusher.printed
    assert await server.stop() == 0


async def test_the_first_admin_key_is_in_no_log(image: Image, tmp_path: Path, started: list[Running]) -> None:
    """The image's own command prints it; the one in the compose file does not."""
    env = image.environment(
        MEMTRACE_MASTER_KEY=secrets(tmp_path)[1]["MEMTRACE_MASTER_KEY"],
        MEMTRACE_SERVER_HOST="127.0.0.1",
        MEMTRACE_SERVER_PORT="0",
    )
    for number, line in enumerate((_SERVICES["memtrace"]["entrypoint"], ["memtrace", "serve"])):
        env["MEMTRACE_AUTH_DB_PATH"] = str(tmp_path / str(number) / "memtrace.db")
        server = await spawned(line, env=env, output=tmp_path / f"output-{number}", started=started)
        await serving(server)

        async def has_printed(server: Running = server, wanted: int = number) -> bool:
            return len(keys_in(server.printed)) == wanted

        await until(has_printed, what="the key")
        assert await server.stop() == 0
        assert len(keys_in(server.printed)) == number


def test_what_is_run_has_no_environment_of_the_tests() -> None:
    assert not any(name.startswith(("MEMTRACE_", "PYTHON")) for name in bare_environment())
