/** Calls over real sockets: what breaks, hangs, redirects or answers nonsense. */

import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  type MemtraceOptions,
  TransportError,
  InvalidResponseError,
  Memtrace,
  MemtraceError,
  TimeoutError,
} from '../src/index.js'
import { answer, cut, faulty, reset, silence, stall } from './faulty.js'

const KEY = 'mtk_very-secret'
const me = { org_id: 'org_1' }

function clientOf(url: string, options: MemtraceOptions = {}): Memtrace {
  return new Memtrace(url, KEY, { sleep: () => Promise.resolve(), ...options })
}

async function failureOf(call: Promise<unknown>): Promise<MemtraceError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(MemtraceError)
  return error as MemtraceError
}

describe('connections', () => {
  test.each([
    ['that break', reset],
    ['that break within the answer', cut],
  ])('%s are tried again', async (_, fault) => {
    const { url, seen } = await faulty(fault, fault, answer(200, me))
    expect(await clientOf(url).me()).toEqual(me)
    expect(seen).toHaveLength(3)
  })

  test('that nobody takes are a connection error, with the reason', async () => {
    // Port 9 of the loopback is bound by nobody, and below those that are given away.
    const error = await failureOf(clientOf('http://127.0.0.1:9', { maxRetries: 0 }).me())
    expect(error).toBeInstanceOf(TransportError)
    expect(error).toMatchObject({ status: 0, name: 'TransportError' })
    expect(error.cause).toBeInstanceOf(TypeError)
    expect(error.message).toContain('http://127.0.0.1:9')
  })

  test('that stay broken are told after the last attempt', async () => {
    const { url, seen } = await faulty(reset)
    expect(await failureOf(clientOf(url, { maxRetries: 1 }).me())).toBeInstanceOf(TransportError)
    expect(seen).toHaveLength(2)
  })

  test('are not tried again where a call says so', async () => {
    const { url, seen } = await faulty(reset)
    await failureOf(clientOf(url).me({ maxRetries: 0 }))
    expect(seen).toHaveLength(1)
  })
})

describe('timeouts', () => {
  test.each([
    ['an answer that does not come', silence],
    ['an answer that does not end', stall],
  ])('%s is a timeout, and tried again', async (_, fault) => {
    const { url, seen } = await faulty(fault)
    const error = await failureOf(clientOf(url, { timeout: 50, maxRetries: 1 }).me())
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toBeInstanceOf(TransportError)
    expect(error.message).toBe('no answer within 50 ms')
    expect(seen).toHaveLength(2)
  })

  test('a call may have its own', async () => {
    const { url } = await faulty(silence)
    const error = await failureOf(clientOf(url, { maxRetries: 0 }).me({ timeout: 20 }))
    expect(error.message).toBe('no answer within 20 ms')
  })
})

describe('a signal', () => {
  test('that is aborted before the call sends nothing', async () => {
    const { url, seen } = await faulty(answer(200, me))
    const reason = new Error('changed my mind')
    await expect(clientOf(url).me({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(seen).toHaveLength(0)
  })

  test('ends a call under way, and nothing is tried again', async () => {
    const control = new AbortController()
    const reason = new Error('enough')
    const { url, seen } = await faulty(() => {
      control.abort(reason)
    })
    await expect(clientOf(url).me({ signal: control.signal })).rejects.toBe(reason)
    expect(seen).toHaveLength(1)
  })

  test('ends the wait before another attempt', async () => {
    const { url, seen } = await faulty((response, request) => {
      answer(503, { error: 'busy' }, { 'retry-after': '60' })(response, request)
      setTimeout(() => {
        control.abort()
      }, 20)
    })
    const control = new AbortController()
    const call = new Memtrace(url, KEY).me({ signal: control.signal })
    await expect(call).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen).toHaveLength(1)
  })

  test('that is aborted afterwards does nothing', async () => {
    const { url } = await faulty(answer(503, { error: 'busy' }, { 'retry-after': '0' }), answer(200, me))
    const control = new AbortController()
    const call = new Memtrace(url, KEY).me({ signal: control.signal })
    expect(await call).toEqual(me)
    control.abort()
  })
})

describe('answers', () => {
  test.each([
    ['a page', '<html>welcome</html>'],
    ['nothing', ''],
    ['a number', '7'],
    ['null', 'null'],
    ['a list', '[]'],
  ])('a success that is %s is an invalid response', async (_, text) => {
    const { url, seen } = await faulty((response) => response.writeHead(200).end(text))
    const error = await failureOf(clientOf(url).me())
    expect(error).toBeInstanceOf(InvalidResponseError)
    expect(error).toMatchObject({ status: 200, code: 'invalid_response' })
    expect(seen).toHaveLength(1)
  })

  test('a list without its items is an invalid response', async () => {
    const { url } = await faulty(answer(200, { status: 'ok' }))
    const client = clientOf(url)
    expect(await failureOf(client.iterMemories().next())).toBeInstanceOf(InvalidResponseError)
    expect(await failureOf(client.addMemories([]))).toBeInstanceOf(InvalidResponseError)
  })

  test('a redirect is not followed, as it would carry the key along', async () => {
    const elsewhere = await faulty(answer(200, me))
    const { url } = await faulty((response) => response.writeHead(307, { location: elsewhere.url }).end())
    expect(await failureOf(clientOf(url).me())).toMatchObject({ status: 307, code: 'invalid_response' })
    expect(elsewhere.seen).toHaveLength(0)
  })

  test('a long page of an error is cut in its message', async () => {
    const { url } = await faulty((response) => response.writeHead(500).end('x'.repeat(10_000)))
    expect((await failureOf(clientOf(url).me())).message).toHaveLength(1000)
  })

  test('what else an error says is in its body', async () => {
    const { url } = await faulty(answer(429, { error: 'slow down', policy: 'key-requests' }, { 'retry-after': '90' }))
    const error = await failureOf(clientOf(url).me())
    expect(error).toMatchObject({ name: 'RateLimitError', retryAfter: 90, body: { policy: 'key-requests' } })
  })

  test('a Retry-After may be a date', async () => {
    const date = new Date(Date.now() + 5_000).toUTCString()
    const { url } = await faulty(answer(503, { error: 'busy' }, { 'retry-after': date }), answer(200, me))
    const waits: number[] = []
    const client = clientOf(url, {
      sleep: (milliseconds) => {
        waits.push(milliseconds)
        return Promise.resolve()
      },
    })
    await client.me()
    expect(waits[0]).toBeGreaterThan(2_000)
    expect(waits[0]).toBeLessThanOrEqual(5_000)
  })
})

describe('the key', () => {
  test('is in no error, and in nothing that shows a client', async () => {
    const { url } = await faulty(answer(401, { error: 'invalid API key' }))
    const client = clientOf(url)
    const errors = [await failureOf(client.me()), await failureOf(clientOf('http://127.0.0.1:9').me())]
    for (const thing of [client, ...errors]) {
      expect(inspect(thing, { depth: 20, showHidden: true })).not.toContain('secret')
      expect(JSON.stringify(thing)).not.toContain('secret')
    }
  })
})

test('a base URL may have a path, and slashes at its end', async () => {
  const { url, seen } = await faulty(answer(200, me))
  await clientOf(`${url}/memory//`).me()
  expect(seen[0]?.url).toBe('/memory/api/v1/me')
})

test.each(['', '.', '..', undefined])('%j is no id', async (id) => {
  const { url, seen } = await faulty(answer(200, me))
  await expect(clientOf(url).getAgent(id as string)).rejects.toThrow(TypeError)
  expect(seen).toHaveLength(0)
})
