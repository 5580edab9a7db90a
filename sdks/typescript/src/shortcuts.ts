/** The memories that `remember` and `decide` make. */

import type { AddMemoryRequest } from './types.js'

/** What else may be said of a memory. */
export type MemoryFields = Omit<AddMemoryRequest, 'agent_id' | 'content'>

export function remembered(agentId: string, content: string, fields: MemoryFields = {}): AddMemoryRequest {
  return { agent_id: agentId, memory_type: 'episodic', event_type: 'general', content, ...fields }
}

export function decided(
  agentId: string,
  decision: string,
  reasoning: string,
  fields: MemoryFields = {},
): AddMemoryRequest {
  const metadata = { ...fields.metadata, reasoning }
  const kind = { memory_type: 'decision', event_type: 'decision' } as const
  return { agent_id: agentId, ...kind, content: decision, ...fields, metadata }
}
