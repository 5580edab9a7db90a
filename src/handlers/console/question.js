// What the filters mean, in the words of the API.

/** The body of the search that these filters mean. */
export function question({ text, agent, session, event, tags, types, since, from, until }) {
  return {
    content_contains: text,
    agent_id: agent,
    session_id: session,
    event_types: split(event),
    tags: split(tags),
    memory_types: split(types),
    since: from ? new Date(from).toISOString() : since === "custom" ? "" : since,
    until: until ? new Date(until).toISOString() : "",
  };
}

function split(text) {
  return (text ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean);
}
