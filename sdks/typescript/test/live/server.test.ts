/** The whole client against a real server, of which MEMTRACE_URL and MEMTRACE_API_KEY are in the environment. */

import { describe, expect, test } from 'vitest'
import { AuthenticationError, ConflictError, Memtrace, MemtraceError, NotFoundError } from '../../src/index.js'

const client = new Memtrace()
let made = 0

/** A name that no other test has. */
function fresh(prefix: string): string {
  return `${prefix}_${Date.now().toString(36)}_${made++}`
}

describe('memories', () => {
  test('what is remembered is recalled, the newest first', async () => {
    const agent = fresh('agent')
    const first = await client.remember(agent, 'first', { tags: ['a.b'], importance: 0.5 })
    const second = await client.decide(agent, 'second', 'because')
    const { memories, has_more } = await client.recall(agent)
    expect(memories).toEqual([second, first])
    expect(has_more).toBe(false)
    expect(second.metadata).toEqual({ reasoning: 'because' })
    expect(first).toMatchObject({ memory_type: 'episodic', event_type: 'general', tags: ['a.b'], importance: 0.5 })
  })

  test('a duplicate is a conflict that names the winner', async () => {
    const agent = fresh('agent')
    const { id } = await client.remember(agent, 'once')
    const error = await client.remember(agent, 'once').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConflictError)
    expect(error).toMatchObject({ status: 409, statusCode: 409, code: 'duplicate_memory', id })
    expect((error as MemtraceError).requestId).toMatch(/^req_/)
  })

  test('the same idempotency key stores a memory once, and answers the same', async () => {
    const agent = fresh('agent')
    const idempotencyKey = fresh('key')
    const once = await client.remember(agent, 'text', {}, { idempotencyKey })
    const again = await client.remember(agent, 'text', {}, { idempotencyKey })
    expect(again).toEqual(once)
  })

  test('a batch tells of each memory what became of it', async () => {
    const agent_id = fresh('agent')
    const batch = await client.addMemories(['one', 'two', 'one'].map((content) => ({ agent_id, content })))
    expect(batch.map((memory) => memory.content)).toEqual(['one', 'two'])
    expect(batch).toMatchObject({ count: 2, duplicates: 1 })
    expect(batch.results?.map(({ status }) => status)).toEqual(['created', 'created', 'duplicate'])
  })

  test('iterating shows every memory once, over pages', async () => {
    const agent_id = fresh('agent')
    await client.addMemories(Array.from({ length: 25 }, (_, number) => ({ agent_id, content: `memory ${number}` })))
    const seen: string[] = []
    for await (const memory of client.iterMemories({ agent_id, limit: 10, order: 'asc' })) seen.push(memory.content)
    expect(seen).toEqual(Array.from({ length: 25 }, (_, number) => `memory ${number}`))
  })

  test('searching finds by tags, substring and time', async () => {
    const agent_id = fresh('agent')
    const since = new Date(Date.now() - 60_000)
    await client.addMemory({ agent_id, content: 'a 100% match_', tags: ['x', 'y'], memory_type: 'entity' })
    await client.addMemory({ agent_id, content: 'another', tags: ['x'] })
    const { results } = await client.searchMemories({
      agent_id,
      tags: ['x', 'y'],
      content_contains: '0% match_',
      since,
    })
    expect(results.map((memory) => memory.content)).toEqual(['a 100% match_'])
    const listed = await client.listMemories({ agent_id, tags: ['x'], since, until: new Date(Date.now() + 60_000) })
    expect(listed.count).toBe(2)
    const found: string[] = []
    for await (const memory of client.iterSearch({ agent_id, limit: 1 })) found.push(memory.content)
    expect(found).toEqual(['another', 'a 100% match_'])
  })

  test('one memory is found by id, deleted, and gone', async () => {
    const { id = '' } = await client.remember(fresh('agent'), 'short-lived')
    expect((await client.getMemory(id)).content).toBe('short-lived')
    const receipt = await client.deleteMemory(id)
    expect(receipt).toMatchObject({ memory_id: id })
    expect((await client.getDeletion(receipt.deletion_id)).deletion_id).toBe(receipt.deletion_id)
    expect((await client.listDeletions({ limit: 1 })).deletions).toHaveLength(1)
    await expect(client.getMemory(id)).rejects.toBeInstanceOf(NotFoundError)
  })
})

describe('agents', () => {
  test('an agent is registered, found by name, counted, and forgotten', async () => {
    const name = fresh('agent')
    const agent = await client.registerAgent({ name, description: 'crawls', config: { depth: 3 } })
    expect(await client.getAgent(name)).toEqual(agent)
    await client.remember(name, 'did something')
    expect(await client.getAgentStats(name)).toMatchObject({ memory_count: 1, memory_types: { episodic: 1 } })
    expect((await client.getAgentMemories(agent.id, { limit: 5 })).count).toBe(1)
    const names: string[] = []
    for await (const one of client.iterAgents({ limit: 1 })) names.push(one.name)
    expect(names).toContain(name)
    expect((await client.listAgents({ limit: 1 })).agents).toHaveLength(1)
    await expect(client.registerAgent({ name })).rejects.toMatchObject({ code: 'already_exists' })
    await client.deleteAgent(name)
    await expect(client.getAgent(name)).rejects.toBeInstanceOf(NotFoundError)
  })
})

describe('sessions', () => {
  test('a session is opened, told as a context, closed and deleted', async () => {
    const agent_id = fresh('agent')
    const session = await client.createSession({ agent_id, metadata: { goal: 'prices' } })
    await client.remember(agent_id, 'Crawled a page', { session_id: session.id, event_type: 'page_crawled' })
    const context = await client.getSessionContext(session.id, { since: '1h', max_tokens: 4000 })
    expect(context).toMatchObject({ session_id: session.id, memory_count: 1, truncated: false })
    expect(context.context).toContain('page_crawled: Crawled a page')
    expect((await client.getSessionMemories(session.id)).count).toBe(1)
    const changed = await client.updateSession(session.id, { metadata: { pages: 1 } })
    expect(changed.metadata).toEqual({ goal: 'prices', pages: 1 })
    expect((await client.closeSession(session.id)).status).toBe('closed')
    expect((await client.listSessions(agent_id)).sessions.map(({ id }) => id)).toEqual([session.id])
    const closed: string[] = []
    for await (const one of client.iterSessions({ agent_id, status: 'closed' })) closed.push(one.id)
    expect(closed).toEqual([session.id])
    const deleted = await client.deleteSession(session.id, { memories: true })
    expect(deleted).toMatchObject({ session_id: session.id, had_record: true, memories: { session_id: session.id } })
    await expect(client.getSession(session.id)).rejects.toBeInstanceOf(NotFoundError)
  })
})

describe('keys and errors', () => {
  test('the key says whose it is', async () => {
    expect(await client.me()).toMatchObject({ org_id: 'org_default', has_binding: true })
  })

  test('a wrong key is an authentication error, which does not tell it', async () => {
    const stranger = new Memtrace(process.env['MEMTRACE_URL'], 'mtk_wrong-and-secret')
    const error = await stranger.me().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(`${error} ${JSON.stringify(error)}`).not.toContain('wrong-and-secret')
  })

  test('a wrong memory of a batch is named, and nothing of the batch is stored', async () => {
    const agent_id = fresh('agent')
    const wrong = client.addMemories([
      { agent_id, content: 'right' },
      { agent_id, content: 'wrong', tags: ['no spaces'] },
    ])
    await expect(wrong).rejects.toMatchObject({ status: 400, index: 1, field: 'memories[1].tags[0]' })
    expect((await client.recall(agent_id)).count).toBe(0)
  })

  test('a request id is the one that the answer has', async () => {
    const error = await client.getAgent(fresh('nobody'), { requestId: 'mine-1' }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(MemtraceError)
    expect(error).toMatchObject({ requestId: 'mine-1' })
  })
})

describe('a buffered writer', () => {
  test('stores everything in order, and tells duplicates and what was refused', async () => {
    const agent_id = fresh('agent')
    const writer = client.buffered({ maxBatch: 10 })
    for (let number = 0; number < 35; number++) await writer.add({ agent_id, content: `memory ${number}` })
    await writer.add({ agent_id, content: 'memory 3' })
    await writer.add({ agent_id, content: 'wrong', tags: ['no spaces'] })
    const error = await writer.close().catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      name: 'BufferedWriteError',
      failures: [{ request: { agent_id, content: 'wrong', tags: ['no spaces'] }, status: 'failed' }],
    })
    expect(writer.counts).toEqual({ created: 35, duplicates: 1, failed: 1 })
    const seen: string[] = []
    for await (const memory of client.iterMemories({ agent_id, order: 'asc' })) seen.push(memory.content)
    expect(seen).toEqual(Array.from({ length: 35 }, (_, number) => `memory ${number}`))
  })
})
