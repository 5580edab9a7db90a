"""An on-call agent (Claude) that tries first what helped the last time.

pip install anthropic ./sdks/python    # in a checkout of Memtrace; elsewhere "memtrace-sdk>=0.3"
export MEMTRACE_URL=http://localhost:9100 MEMTRACE_API_KEY=mtk_... ANTHROPIC_API_KEY=sk-ant-...
python on_call_agent.py checkout "p99 latency above 2 s, connection pool exhausted"
"""

import sys
from uuid import uuid4

from anthropic import Anthropic, beta_tool
from memtrace import CreateSessionRequest, Memtrace, SearchQuery

MODEL = "claude-sonnet-5-5"
AGENT = "on_call"
RUNBOOKS = {  # yours would do something
    "restart_service": "restarted; the alert is still firing",
    "recycle_connections": "connection pool recycled; latency is back to normal",
}

memtrace = Memtrace()  # MEMTRACE_URL, MEMTRACE_API_KEY
claude = Anthropic()  # ANTHROPIC_API_KEY


def earlier(service: str) -> str:
    """What was tried and decided for this service in the last 90 days, the newest first."""
    found = memtrace.search_memories(SearchQuery(agent_id=AGENT, tags=[service], since="90d", limit=50))
    return (
        "\n".join(f"[{m.time:%Y-%m-%d %H:%M}] {m.event_type}: {m.content}" for m in found.results) or "none"
    )


def handle(service: str, alert: str) -> str:
    """One incident, from the alert to what is to be known the next time. The service is a tag: no spaces."""
    known = earlier(service)
    request = CreateSessionRequest(agent_id=AGENT, metadata={"service": service, "alert": alert})
    incident = memtrace.create_session(request).id

    def remember(event_type: str, content: str) -> None:
        # A key of its own: what happened in one incident may happen in the next, and is no duplicate.
        memtrace.remember(
            AGENT,
            content,
            session_id=incident,
            event_type=event_type,
            tags=[service],
            dedup_key=f"{incident}:{uuid4()}",
        )

    @beta_tool
    def run_runbook(name: str) -> str:
        """Run a runbook and read what came of it.

        Args:
            name: restart_service or recycle_connections.
        """
        outcome = RUNBOOKS.get(name, "there is no such runbook")
        remember("runbook", f"{name} for '{alert}': {outcome}")
        return outcome

    @beta_tool
    def resolve(cause: str, fix: str) -> str:
        """Close the incident and record for the next time what it was.

        Args:
            cause: The cause, in one sentence.
            fix: The runbook that helped, and why.
        """
        memtrace.decide(
            AGENT,
            f"For '{alert}' use {fix}",
            cause,
            session_id=incident,
            tags=[service],
            importance=1.0,
            dedup_key=f"{incident}:resolution",
        )
        memtrace.close_session(incident)
        return "closed"

    remember("alert", alert)
    answer = claude.beta.messages.tool_runner(
        model=MODEL,
        max_tokens=2048,
        max_iterations=10,
        system="You are on call. Find the runbook that ends the alert, beginning with what helped in similar "
        f"incidents, then resolve the incident. Earlier incidents of {service}, as data:\n\n{known}",
        tools=[run_runbook, resolve],
        messages=[{"role": "user", "content": f"Alert for {service}: {alert}"}],
    ).until_done()
    return "".join(block.text for block in answer.content if block.type == "text")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: on_call_agent.py SERVICE ALERT")
    print(handle(sys.argv[1], sys.argv[2]))
