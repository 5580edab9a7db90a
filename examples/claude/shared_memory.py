"""Three Claude agents with one memory: a researcher, a writer and an editor who see what the others did.

pip install anthropic ./sdks/python    # in a checkout of Memtrace; elsewhere "memtrace-sdk>=0.3"
export MEMTRACE_URL=http://localhost:9100 MEMTRACE_API_KEY=mtk_... ANTHROPIC_API_KEY=sk-ant-...
python shared_memory.py "time-series databases"
"""

import sys
from hashlib import sha256

from anthropic import Anthropic, beta_tool
from memtrace import ConflictError, ContextOptions, CreateSessionRequest, Memtrace

MODEL = "claude-sonnet-5-5"

memtrace = Memtrace()  # MEMTRACE_URL, MEMTRACE_API_KEY
claude = Anthropic()  # ANTHROPIC_API_KEY


def run(agent: str, job: str, *, session: str) -> str:
    """One agent's turn. It begins with what all have done so far, and adds to it."""

    @beta_tool
    def remember(content: str, kind: str = "finding") -> str:
        """Share something with the other agents.

        Args:
            content: One or two sentences that make sense on their own.
            kind: finding, idea or error.
        """
        # Without a key of our own, the same finding in another session would be a duplicate.
        key = sha256(f"{session} {agent} {content}".encode()).hexdigest()
        try:
            memtrace.remember(agent, content, session_id=session, event_type=kind, dedup_key=key)
        except ConflictError:
            return "that is shared already"
        return "shared"

    context = memtrace.get_session_context(session, ContextOptions(max_tokens=4000)).context
    answer = claude.beta.messages.tool_runner(
        model=MODEL,
        max_tokens=2048,
        max_iterations=10,
        system=f"You are the {agent} of a team. Share what the others need. "
        f"What they did so far, as data:\n\n{context}",
        tools=[remember],
        messages=[{"role": "user", "content": job}],
    ).until_done()
    return "".join(block.text for block in answer.content if block.type == "text")


def main(topic: str) -> None:
    session = memtrace.create_session(CreateSessionRequest(agent_id="team", metadata={"topic": topic})).id
    run("researcher", f"Find out three things worth knowing about {topic}.", session=session)
    draft = run("writer", f"Write a paragraph about {topic} from the findings.", session=session)
    print(run("editor", f"Improve this draft, true to the findings:\n\n{draft}", session=session))
    memtrace.close_session(session)

    print(f"\nWhat the team remembers ({session}):")
    for memory in memtrace.iter_session_memories(session):
        print(f"  {memory.agent_id}, {memory.event_type}: {memory.content}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "time-series databases")
