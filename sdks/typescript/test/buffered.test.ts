/** A buffered writer: how it makes batches, and what happens when there is no room. */

import { describe, expect, test, vi } from 'vitest'
import type { BufferOptions, WriteResult } from '../src/index.js'
import { byManualClock, failuresOf, held, refused, writerOn } from './buffering.js'

byManualClock()

describe('batches', () => {
  test('wait for others, but not for longer than they may', async () => {
    const { server, writer, add } = writerOn([], { maxDelay: 300 })
    await add('a', 'b')
    await vi.advanceTimersByTimeAsync(299)
    expect(server.batches).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(server.batches).toEqual([['a', 'b']])
    expect(await writer.close()).toEqual({ created: 2, duplicates: 0, failed: 0 })
  })

  test('go at once when they are full, in order, one at a time', async () => {
    const first = held()
    const { server, writer, add } = writerOn([first.reply], { maxBatch: 2 })
    await add('a', 'b', 'c', 'd', 'e')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(server.batches).toEqual([['a', 'b']])
    first.letGo()
    await writer.flush()
    expect(server.batches).toEqual([['a', 'b'], ['c', 'd'], ['e']])
    await writer.close()
  })

  test('stay below the size that a server takes', async () => {
    const { server, writer, add } = writerOn([])
    const large = 'ü'.repeat(500_000)
    await add(large, large, large)
    await writer.close()
    expect(server.batches.map(({ length }) => length)).toEqual([1, 1, 1])
  })

  test('have a memory as it was when it was added', async () => {
    const { server, writer } = writerOn([])
    const memory = { agent_id: 'agent', content: 'before' }
    await writer.add(memory)
    memory.content = 'after'
    await writer.close()
    expect(server.batches).toEqual([['before']])
  })

  test('that are added while one is under way go after it by themselves', async () => {
    const first = held()
    const { server, writer, add } = writerOn([first.reply])
    await add('a')
    const flushed = writer.flush()
    await add('b')
    first.letGo()
    await flushed
    await vi.advanceTimersByTimeAsync(500)
    expect(server.batches).toEqual([['a'], ['b']])
    await writer.close()
  })

  test('are made of what remember and decide would store', async () => {
    const results: WriteResult[] = []
    const { writer } = writerOn([], { onResult: (result) => results.push(result) })
    await writer.remember('agent', 'a', { tags: ['t'] })
    await writer.decide('agent', 'b', 'because')
    await writer.close()
    expect(results.map(({ request }) => request)).toEqual([
      { agent_id: 'agent', memory_type: 'episodic', event_type: 'general', content: 'a', tags: ['t'] },
      {
        agent_id: 'agent',
        memory_type: 'decision',
        event_type: 'decision',
        content: 'b',
        metadata: { reasoning: 'because' },
      },
    ])
  })
})

describe('room', () => {
  test('adding waits while too many are pending', async () => {
    const first = held()
    const { writer, add } = writerOn([first.reply], { maxPending: 2 })
    await add('a')
    let added = false
    const second = add('b').then(() => (added = true))
    await vi.advanceTimersByTimeAsync(20_000)
    expect([added, writer.pending]).toEqual([false, 2])
    first.letGo()
    await second
    expect(writer.pending).toBe(0)
    await writer.close()
  })

  test('adding waits while too many bytes are pending', async () => {
    const { writer, add } = writerOn([], { maxPendingBytes: 60 })
    await add('a')
    let added = false
    const second = add('b').then(() => (added = true))
    await vi.advanceTimersByTimeAsync(0)
    expect(added).toBe(false)
    await vi.advanceTimersByTimeAsync(500)
    await second
    await writer.close()
  })

  test('adding is over when the writer is closed, and what waited is stored', async () => {
    const { server, writer, add } = writerOn([], { maxPending: 1 })
    const adding = [add('a'), add('b')]
    await writer.close()
    await Promise.all(adding)
    expect(server.batches.flat()).toEqual(['a', 'b'])
    await expect(add('c')).rejects.toMatchObject({ code: 'closed' })
  })

  test('failures that nobody was told of take it up', async () => {
    const { writer, add } = writerOn([refused(403)], { maxPending: 2 })
    const adding = add('a', 'b')
    await vi.advanceTimersByTimeAsync(500)
    await adding
    expect((await failuresOf(add('c'))).map(({ request }) => request.content)).toEqual(['a', 'b'])
    await add('c')
    expect(await writer.close()).toEqual({ created: 1, duplicates: 0, failed: 2 })
  })

  test('their bytes take it up too', async () => {
    const { writer, add } = writerOn([refused(403)], { maxPendingBytes: 40 })
    const adding = add('a', 'b')
    await vi.advanceTimersByTimeAsync(500)
    await adding
    expect(await failuresOf(add('c'))).toHaveLength(2)
    await add('c')
    expect(await writer.close()).toEqual({ created: 1, duplicates: 0, failed: 2 })
  })

  test('what is not JSON is not taken', async () => {
    const { writer, add } = writerOn([])
    await expect(writer.add(undefined as never)).rejects.toThrow(TypeError)
    await expect(writer.add('text' as never)).rejects.toThrow(TypeError)
    await expect(writer.add({ agent_id: 'agent', content: 1n as never })).rejects.toThrow(TypeError)
    await add('a')
    expect(await writer.close()).toEqual({ created: 1, duplicates: 0, failed: 0 })
  })

  test.each<BufferOptions>([{ maxBatch: 0 }, { maxBatch: 1001 }, { maxDelay: 0.5 }, { maxPending: 0 }])(
    'nothing is made of %j',
    (options) => {
      expect(() => writerOn([], options)).toThrow('must be a whole number')
    },
  )
})
