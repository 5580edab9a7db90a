/** A buffered writer answers for each memory, whatever happens to the server. */

import { describe, expect, test, vi } from 'vitest'
import { TransportError, type MemtraceError, type WriteResult } from '../src/index.js'
import { byManualClock, failuresOf, held, refused, type Reply, stored, unreachable, writerOn } from './buffering.js'

byManualClock()

describe('faults', () => {
  test.each([
    ['a broken connection', unreachable],
    ['429', refused(429)],
    ['503', refused(503)],
    ['500', refused(500)],
    ['408', refused(408)],
    ['a page of something in between', () => new Response('<html>')],
  ])('after %s the same batch is sent again under the same key', async (_, fault) => {
    const retries: MemtraceError[] = []
    const { server, writer, add } = writerOn([fault, fault], { onRetry: (error) => retries.push(error) })
    await add('a', 'b')
    await vi.advanceTimersByTimeAsync(500)
    await add('c')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(server.batches).toEqual([['a', 'b'], ['a', 'b'], ['a', 'b'], ['c']])
    expect(new Set(server.sent.slice(0, 3).map(({ key }) => key)).size).toBe(1)
    expect(server.sent[3]?.key).not.toBe(server.sent[0]?.key)
    expect(retries).toHaveLength(2)
    expect(await writer.close()).toEqual({ created: 3, duplicates: 0, failed: 0 })
  })

  test('a Retry-After is waited for', async () => {
    const { server, writer, add } = writerOn([refused(503, {}, { 'retry-after': '120' })])
    await add('a')
    await vi.advanceTimersByTimeAsync(120_499)
    expect(server.batches).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(server.batches).toHaveLength(2)
    await writer.close()
  })

  test('flushing tells that the server cannot take them now, and they wait on', async () => {
    const { writer, add } = writerOn([unreachable])
    await add('a')
    await expect(writer.flush()).rejects.toBeInstanceOf(TransportError)
    expect(writer.pending).toBe(1)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(writer.counts).toEqual({ created: 1, duplicates: 0, failed: 0 })
    await writer.close()
  })

  test('one wrong memory fails alone, and the others of its batch are stored', async () => {
    const { server, writer, add } = writerOn([refused(400, { index: 1 }), refused(400, { index: 1 })])
    await add('a', 'wrong', 'also wrong', 'b')
    const failures = await failuresOf(writer.close())
    expect(failures.map(({ request, error }) => [request.content, error.status])).toEqual([
      ['wrong', 400],
      ['also wrong', 400],
    ])
    expect(server.batches.at(-1)).toEqual(['a', 'b'])
    expect(new Set(server.sent.map(({ key }) => key)).size).toBe(3)
    expect(writer.counts).toEqual({ created: 2, duplicates: 0, failed: 2 })
  })

  test('where the server does not say which is wrong, the batch is halved until it is alone', async () => {
    const check: Reply = (contents) => (contents.includes('wrong') ? refused(400)(contents) : stored(contents))
    const { server, writer, add } = writerOn(Array.from({ length: 9 }, () => check))
    await add('a', 'b', 'wrong', 'c', 'd')
    expect((await failuresOf(writer.close())).map(({ request }) => request.content)).toEqual(['wrong'])
    expect(server.batches).toEqual([
      ['a', 'b', 'wrong', 'c', 'd'],
      ['a', 'b', 'wrong'],
      ['a', 'b'],
      ['wrong'],
      ['c', 'd'],
    ])
  })

  test('a batch that is too large is halved', async () => {
    const { server, writer, add } = writerOn([refused(413)])
    await add('a', 'b')
    await writer.close()
    expect(server.batches).toEqual([['a', 'b'], ['a'], ['b']])
  })

  test.each([
    ['a wrong key', refused(401)],
    ['a lack of permission', refused(403)],
    ['no binding', refused(503, { code: 'no_arc_instance' })],
    ['a store that refuses', refused(502, { code: 'store_refused' })],
  ])('%s fails the batch at once', async (_, fault) => {
    const { writer, add } = writerOn([fault])
    await add('a', 'b')
    expect(await failuresOf(writer.flush())).toHaveLength(2)
    expect(await writer.close()).toEqual({ created: 0, duplicates: 0, failed: 2 })
  })
})

describe('the end', () => {
  test('closing tries on for a minute, and what is not stored then is handed out with the reason', async () => {
    const { server, writer, add } = writerOn(Array<Reply>(99).fill(unreachable), { maxBatch: 2 })
    await add('a', 'b', 'c')
    const failing = failuresOf(writer.close())
    await vi.advanceTimersByTimeAsync(59_999)
    expect(writer.pending).toBe(3)
    expect(server.batches.length).toBeGreaterThan(4)
    await vi.advanceTimersByTimeAsync(1)
    const failures = await failing
    expect(failures.map(({ request, error }) => [request.content, error.name])).toEqual([
      ['a', 'TransportError'],
      ['b', 'TransportError'],
      ['c', 'TransportError'],
    ])
    expect([writer.pending, writer.counts.failed]).toEqual([0, 3])
  })

  test('closing rides over an outage that ends in time', async () => {
    const { server, writer, add } = writerOn(Array<Reply>(5).fill(unreachable), { maxBatch: 2 })
    await add('a', 'b', 'c')
    const closed = writer.close()
    await vi.advanceTimersByTimeAsync(59_000)
    expect(await closed).toEqual({ created: 3, duplicates: 0, failed: 0 })
    expect(new Set(server.sent.map(({ key }) => key)).size).toBe(2)
  })

  test('closing has as long as it is given', async () => {
    const { writer, add } = writerOn(Array<Reply>(99).fill(unreachable))
    await add('a')
    const failing = failuresOf(writer.close({ timeout: 1_000 }))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await failing).toHaveLength(1)
  })

  test('a signal ends closing, and what was under way has failed', async () => {
    const { writer, add } = writerOn([held().reply], { maxBatch: 1 })
    const adding = add('a', 'b')
    const control = new AbortController()
    const failures = failuresOf(writer.close({ signal: control.signal }))
    control.abort()
    expect((await failures).map(({ request, error }) => [request.content, error.code])).toEqual([
      ['a', 'not_sent'],
      ['b', 'not_sent'],
    ])
    await adding
  })

  test('a signal that is aborted already leaves no attempt', async () => {
    const { server, writer, add } = writerOn([])
    await add('a')
    expect(await failuresOf(writer.close({ signal: AbortSignal.abort() }))).toHaveLength(1)
    expect(server.batches).toEqual([])
  })

  test('closing again tells no failure twice', async () => {
    const { writer, add } = writerOn([refused(403)])
    await add('a')
    expect(await failuresOf(writer.close())).toHaveLength(1)
    expect(await writer.close()).toEqual({ created: 0, duplicates: 0, failed: 1 })
  })

  test('closing a writer that took nothing sends nothing', async () => {
    const { server, writer } = writerOn([])
    expect(await writer.close()).toEqual({ created: 0, duplicates: 0, failed: 0 })
    expect(server.batches).toEqual([])
  })
})

describe('results', () => {
  test('are told of each memory, and failures are then no error', async () => {
    const mixed: Reply = () =>
      Response.json({
        memories: [{ agent_id: 'agent', content: 'a' }],
        results: [
          { status: 'created', id: 'mem_a' },
          { status: 'duplicate', id: 'mem_b' },
        ],
      })
    const results: WriteResult[] = []
    const { writer, add } = writerOn([mixed, refused(403)], { maxBatch: 2, onResult: (one) => results.push(one) })
    await add('a', 'b', 'c')
    expect(await writer.close()).toEqual({ created: 1, duplicates: 1, failed: 1 })
    expect(results.map((result) => [result.request.content, result.status, 'id' in result && result.id])).toEqual([
      ['a', 'created', 'mem_a'],
      ['b', 'duplicate', 'mem_b'],
      ['c', 'failed', false],
    ])
  })

  test('that a listener fails on are stored, and its error is told by flush', async () => {
    const onResult = ({ request }: WriteResult): void => {
      throw new RangeError(request.content)
    }
    const { server, writer, add } = writerOn([], { maxBatch: 1, onResult })
    await add('a', 'b')
    await expect(writer.flush()).rejects.toThrow(new RangeError('a'))
    expect(server.batches).toEqual([['a'], ['b']])
    expect(await writer.close()).toEqual({ created: 2, duplicates: 0, failed: 0 })
  })

  test('of a kind that is not known yet are those of stored memories', async () => {
    const newer: Reply = () => Response.json({ memories: [], results: [{ status: 'merged', id: 'mem_a' }] })
    const { writer, add } = writerOn([newer])
    await add('a')
    expect(await writer.close()).toEqual({ created: 1, duplicates: 0, failed: 0 })
  })

  test('are found by comparing, where a server tells only what it created', async () => {
    const original: Reply = () => Response.json({ memories: [{ agent_id: 'agent', content: 'b' }], count: 1 })
    const results: WriteResult[] = []
    const { writer, add } = writerOn([original], { onResult: (one) => results.push(one) })
    await add('a', 'b', 'c')
    expect(await writer.close()).toEqual({ created: 1, duplicates: 2, failed: 0 })
    expect(results.map(({ status }) => status)).toEqual(['duplicate', 'created', 'duplicate'])
  })
})
