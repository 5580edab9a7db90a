// What a user writes, under several settings of the compiler. It is compiled, never run.

import { type ContextOptions, type ListOptions, type MemtraceOptions } from '@memtrace/sdk'
import { Memtrace, type Memory, MemtraceError, type MemoryList, type SearchQuery } from '@memtrace/sdk'

export async function use(signal: AbortSignal): Promise<Memory[]> {
  const client = new Memtrace('http://localhost', 'mtk_x', { timeout: 1000 })
  const query: SearchQuery = { memory_types: ['decision'], since: new Date() }
  const { results } = await client.searchMemories(query, { signal })
  const list: MemoryList = await client.recall('agent', '24h')
  const session = await client.createSession({ agent_id: 'agent' })
  try {
    await client.closeSession(session.id)
  } catch (error) {
    if (error instanceof MemtraceError && error.code === 'not_found') return results
  }
  // @ts-expect-error an agent is needed
  await client.addMemory({ content: 'x' })
  // @ts-expect-error there is no such order
  await client.listMemories({ order: 'newest' })
  for await (const memory of client.iterMemories()) results.push(memory)
  return [...results, ...list.memories, ...(await client.addMemories([]))]
}

/** What the original's types allowed. */
export function asBefore(type: string, types: string[]): [MemtraceOptions, ListOptions, SearchQuery, ContextOptions] {
  const list: ListOptions = { memory_type: type, tags: 'a,b' }
  return [{ timeout: 1000 }, list, { memory_types: types }, { include_types: types }]
}
