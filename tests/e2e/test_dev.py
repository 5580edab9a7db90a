"""`memtrace dev`: from nothing to a served memory, and the same again tomorrow."""

import stat
from pathlib import Path

from tests.e2e.installation import Installation


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_memory_is_read_at_once_everywhere(installation: Installation) -> None:
    await installation.dev()
    async with installation.client() as client:
        body = {"agent_id": "crawler", "session_id": "sess_1", "content": "Crawled example.com"}
        written = await client.post("/memories", json=body)
        assert written.status_code == 201, written.text
        memory_id = written.json()["id"]
        listed = await client.get("/memories", params={"agent_id": "crawler"})
        assert [m["id"] for m in listed.json()["memories"]] == [memory_id]
        assert (await client.get(f"/memories/{memory_id}")).json()["content"] == "Crawled example.com"
        found = await client.post("/search", json={"content_contains": "example"})
        assert found.json()["count"] == 1
        context = await client.post("/sessions/sess_1/context")
        assert "Crawled example.com" in context.json()["context"]
        stats = await client.get("/agents/crawler/stats")
        assert stats.json()["memory_count"] == 1


async def test_started_again_it_serves_the_same_memories_with_the_same_key(
    installation: Installation,
) -> None:
    first = await installation.dev()
    key = installation.env["MEMTRACE_API_KEY"]
    async with installation.client() as client:
        await client.post("/memories", json={"agent_id": "a", "content": "kept"})
    assert await first.stop() == 0
    second = await installation.dev()
    assert installation.env["MEMTRACE_API_KEY"] == key
    assert key in second.printed
    async with installation.client() as client:
        listed = (await client.get("/memories")).json()
    assert [m["content"] for m in listed["memories"]] == ["kept"]


async def test_what_it_makes_is_for_its_owner_alone(installation: Installation) -> None:
    await installation.dev()
    assert mode(installation.data) == 0o700
    for name in ("master.key", "dev.env", "memtrace.db"):
        assert mode(installation.data / name) == 0o600


async def test_it_prints_curl_lines_that_work(installation: Installation) -> None:
    running = await installation.dev()
    lines = [line.strip() for line in running.printed.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 2
    write = await installation.shell(lines[0])
    assert '"id"' in write.stdout, write.stderr
    read = await installation.shell(lines[1])
    assert '"count":1' in read.stdout.replace(" ", ""), read.stderr


async def test_a_lost_dev_env_is_made_again_with_a_new_key(installation: Installation) -> None:
    first = await installation.dev()
    key = installation.env["MEMTRACE_API_KEY"]
    async with installation.client() as client:
        await client.post("/memories", json={"agent_id": "a", "content": "kept"})
    await first.stop()
    (installation.data / "dev.env").unlink()
    second = await installation.dev()
    assert "new key" in second.printed
    assert installation.env["MEMTRACE_API_KEY"] != key
    async with installation.client() as client:
        assert (await client.get("/memories")).json()["count"] == 1


async def test_a_configuration_file_in_the_folder_is_not_its_business(installation: Installation) -> None:
    (installation.folder / "memtrace.toml").write_text('[server]\nport = "no port"\nnonsense = 1\n')
    await installation.dev()
    async with installation.client() as client:
        assert (await client.get("/me")).json()["org_id"] == "org_default"


async def test_a_second_server_on_the_same_data_is_told_who_holds_it(installation: Installation) -> None:
    first = await installation.dev()
    refused = await installation.run("dev", "--port", "0", "--data", installation.data)
    assert refused.returncode == 1
    assert f"process {first.pid}" in refused.stderr
    assert installation.env["MEMTRACE_URL"] in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


async def test_a_second_flusher_on_the_same_data_is_told_who_holds_it(installation: Installation) -> None:
    await installation.dev()
    await installation.has_flusher()
    refused = await installation.shell("memtrace flusher")
    assert refused.returncode == 1
    assert "memtrace: error:" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_a_taken_port_is_said_in_one_line(installation: Installation, tmp_path: Path) -> None:
    await installation.dev()
    port = installation.env["MEMTRACE_URL"].rpartition(":")[2]
    refused = await installation.run("dev", "--port", port, "--data", tmp_path / "other")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"memtrace: error: port {port} is in use")
