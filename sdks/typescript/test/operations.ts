/* eslint-disable @typescript-eslint/no-unsafe-argument */
/** Operations of the conformance files as calls of this client. Arguments come flat, with the names of the wire. */

import type { Memtrace } from '../src/index.js'

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- arguments of all operations, as the files have them
export type Arguments = Record<string, any>

type Operation = (client: Memtrace, args: Arguments) => unknown

export const operations: Record<string, Operation> = {
  remember: (client, { agent_id, content, ...fields }) => client.remember(agent_id, content, fields),
  recall: (client, { agent_id, since }) => client.recall(agent_id, since),
  decide: (client, { agent_id, decision, reasoning }) => client.decide(agent_id, decision, reasoning),
  add_memory: (client, memory) => client.addMemory(memory as never),
  add_memories: async (client, { memories }) => {
    const batch = await client.addMemories(memories)
    return { memories: batch, count: batch.count, duplicates: batch.duplicates, results: batch.results }
  },
  get_memory: (client, { memory_id }) => client.getMemory(memory_id),
  delete_memory: (client, { memory_id }) => client.deleteMemory(memory_id),
  list_memories: (client, list) => client.listMemories(list),
  iter_memories: (client, list) => collected(client.iterMemories(list)),
  search_memories: (client, query) => client.searchMemories(query),
  iter_search: (client, query) => collected(client.iterSearch(query)),
  register_agent: (client, agent) => client.registerAgent(agent as never),
  list_agents: (client, page) => client.listAgents(page),
  iter_agents: (client, page) => collected(client.iterAgents(page)),
  get_agent: (client, { agent_id }) => client.getAgent(agent_id),
  get_agent_stats: (client, { agent_id }) => client.getAgentStats(agent_id),
  get_agent_memories: (client, { agent_id, ...list }) => client.getAgentMemories(agent_id, list),
  iter_agent_memories: (client, { agent_id, ...list }) => collected(client.iterAgentMemories(agent_id, list)),
  delete_agent: (client, { agent_id }) => client.deleteAgent(agent_id),
  create_session: (client, session) => client.createSession(session as never),
  get_session: (client, { session_id }) => client.getSession(session_id),
  list_sessions: (client, list) => client.listSessions(list),
  iter_sessions: (client, list) => collected(client.iterSessions(list)),
  update_session: (client, { session_id, ...change }) => client.updateSession(session_id, change),
  close_session: (client, { session_id }) => client.closeSession(session_id),
  delete_session: (client, { session_id, ...what }) => client.deleteSession(session_id, what),
  get_session_memories: (client, { session_id, ...list }) => client.getSessionMemories(session_id, list),
  iter_session_memories: (client, { session_id, ...list }) => collected(client.iterSessionMemories(session_id, list)),
  get_session_context: (client, { session_id, ...context }) => client.getSessionContext(session_id, context),
  get_deletion: (client, { deletion_id }) => client.getDeletion(deletion_id),
  list_deletions: (client, list) => client.listDeletions(list),
  me: (client) => client.me(),
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
