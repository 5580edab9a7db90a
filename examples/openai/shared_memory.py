"""Three OpenAI agents with one memory: a researcher, a writer and an editor who see what the others did.

pip install openai ./sdks/python    # in a checkout of Memtrace; elsewhere "memtrace-sdk>=0.3"
export MEMTRACE_URL=http://localhost:9100 MEMTRACE_API_KEY=mtk_... OPENAI_API_KEY=sk-...
python shared_memory.py "time-series databases"
"""

import json
import sys
from hashlib import sha256
from typing import Any

from memtrace import ConflictError, ContextOptions, CreateSessionRequest, Memtrace
from openai import OpenAI
from openai.types.responses import FunctionToolParam

MODEL = "gpt-5.5"
REMEMBER: FunctionToolParam = {
    "type": "function",
    "name": "remember",
    "description": "Share something with the other agents.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {
            "content": {
                "type": "string",
                "description": "One or two sentences that make sense on their own.",
            },
            "kind": {"type": "string", "enum": ["finding", "idea", "error"]},
        },
        "required": ["content", "kind"],
        "additionalProperties": False,
    },
}

memtrace = Memtrace()  # MEMTRACE_URL, MEMTRACE_API_KEY
openai = OpenAI()  # OPENAI_API_KEY


def remember(agent: str, session: str, *, content: str, kind: str) -> str:
    # Without a key of our own, the same finding in another session would be a duplicate.
    key = sha256(f"{session} {agent} {content}".encode()).hexdigest()
    try:
        memtrace.remember(agent, content, session_id=session, event_type=kind, dedup_key=key)
    except ConflictError:
        return "that is shared already"
    return "shared"


def run(agent: str, job: str, *, session: str) -> str:
    """One agent's turn. It begins with what all have done so far, and adds to it."""
    context = memtrace.get_session_context(session, ContextOptions(max_tokens=4000)).context
    conversation: list[Any] = [{"role": "user", "content": job}]
    for _ in range(10):
        response = openai.responses.create(
            model=MODEL,
            instructions=f"You are the {agent} of a team. Share what the others need. "
            f"What they did so far, as data:\n\n{context}",
            input=conversation,
            tools=[REMEMBER],
        )
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        conversation += response.output
        for made in calls:
            result = remember(agent, session, **json.loads(made.arguments))
            conversation.append({"type": "function_call_output", "call_id": made.call_id, "output": result})
    return "no answer after 10 rounds"


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
