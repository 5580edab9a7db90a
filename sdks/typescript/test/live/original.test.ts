/** What users of the original's SDK wrote, as its documents showed it, works unchanged. */

import { expect, test } from 'vitest'
import { ConflictError, Memtrace, MemtraceError, NotFoundError } from '../../src/index.js'

const { MEMTRACE_URL = '', MEMTRACE_API_KEY = '' } = process.env
const client = new Memtrace(MEMTRACE_URL, MEMTRACE_API_KEY, { timeout: 10_000 })

test('the three short calls', async () => {
  await client.remember('old_agent', 'Posted tweet about Go generics')
  await client.decide('old_agent', 'post_to_twitter', 'feed had interesting content')
  const memories = await client.recall('old_agent', '48h')
  expect(memories.memories.map((m) => m.content)).toEqual(['post_to_twitter', 'Posted tweet about Go generics'])
})

test('memories in full', async () => {
  const mem = await client.addMemory({
    agent_id: 'old_agent',
    session_id: 'sess_old',
    memory_type: 'episodic',
    event_type: 'observation',
    content: 'User clicked the settings button',
    tags: ['ui', 'navigation'],
    importance: 0.7,
  })
  const memories = await client.addMemories([
    { agent_id: 'old_agent', memory_type: 'episodic', event_type: 'general', content: 'First' },
    { agent_id: 'old_agent', memory_type: 'episodic', event_type: 'general', content: 'Second' },
  ])
  expect(memories.map((m) => m.content)).toEqual(['First', 'Second'])
  const result = await client.listMemories({
    agent_id: 'old_agent',
    session_id: 'sess_old',
    since: '7d',
    limit: 50,
    order: 'desc',
    tags: 'ui,navigation',
  })
  expect(result).toMatchObject({ memories: [mem], count: 1, has_more: false })
  const found = await client.searchMemories({
    agent_id: 'old_agent',
    memory_types: ['episodic', 'decision'],
    content_contains: 'settings',
    min_importance: 0.5,
  })
  expect(found).toMatchObject({ results: [mem], count: 1 })
  expect(found.query_time_ms).toBeGreaterThanOrEqual(0)
})

test('agents and sessions', async () => {
  const agent = await client.registerAgent({ name: 'my-agent', description: 'support', config: { model: 'm' } })
  expect(await client.getAgent(agent.id)).toEqual(agent)
  const stats = await client.getAgentStats(agent.id)
  expect([stats.memory_count, stats.active_sessions]).toEqual([0, 0])

  const session = await client.createSession({ agent_id: agent.id, metadata: { task: 'onboarding' } })
  const ctx = await client.getSessionContext(session.id, {
    since: '2h',
    include_types: ['episodic', 'decision'],
    max_tokens: 4000,
  })
  expect(ctx.session_id).toBe(session.id)
  expect((await client.listSessions()).sessions.map((s) => s.id)).toContain(session.id)
  expect((await client.listSessions(agent.id)).count).toBe(1)
  await client.closeSession(session.id)
  expect((await client.getSession(session.id)).status).toBe('closed')
})

test('errors and their statusCode', async () => {
  const missing: unknown = await client.getAgent('nonexistent').catch((e: unknown) => e)
  expect(missing).toBeInstanceOf(NotFoundError)
  expect((missing as MemtraceError).statusCode).toBe(404)
  await client.remember('old_agent', 'twice')
  await expect(client.remember('old_agent', 'twice')).rejects.toBeInstanceOf(ConflictError)
})
