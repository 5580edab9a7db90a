/** What a client and a call may be told, and what is refused without telling the key. */

import { afterEach, describe, expect, test, vi } from 'vitest'
import { Memtrace, type RequestOptions } from '../src/index.js'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
})

/** Replaces the global fetch; returns what was asked for. */
function recorded(): { url: string; headers: Headers }[] {
  const asked: { url: string; headers: Headers }[] = []
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    asked.push({ url, headers: new Headers(init.headers) })
    return Promise.resolve(Response.json({ org_id: 'org_1', memories: [] }))
  })
  return asked
}

describe('a client', () => {
  test('takes URL and key from the environment', async () => {
    const asked = recorded()
    vi.stubEnv('MEMTRACE_URL', 'https://memtrace.test')
    vi.stubEnv('MEMTRACE_API_KEY', 'mtk_env')
    await new Memtrace().me()
    expect(asked[0]?.url).toBe('https://memtrace.test/api/v1/me')
    expect(asked[0]?.headers.get('x-api-key')).toBe('mtk_env')
  })

  test('prefers what it is given, in either form', async () => {
    const asked = recorded()
    vi.stubEnv('MEMTRACE_URL', 'https://memtrace.test')
    await new Memtrace('http://a.test', 'mtk_a').me()
    await new Memtrace({ baseUrl: 'http://b.test', apiKey: 'mtk_b' }).me()
    expect(asked.map(({ url, headers }) => [url, headers.get('x-api-key')])).toEqual([
      ['http://a.test/api/v1/me', 'mtk_a'],
      ['http://b.test/api/v1/me', 'mtk_b'],
    ])
  })

  test('asks a server on this machine where nothing else is said', async () => {
    const asked = recorded()
    vi.stubEnv('MEMTRACE_URL', '')
    await new Memtrace({ apiKey: 'mtk_x' }).me()
    expect(asked[0]?.url).toBe('http://localhost:9100/api/v1/me')
  })

  test('works where there is no environment', async () => {
    const asked = recorded()
    vi.stubGlobal('process', undefined)
    await new Memtrace('http://a.test', 'mtk_a').me()
    expect(asked).toHaveLength(1)
  })

  test('needs a key', () => {
    vi.stubEnv('MEMTRACE_API_KEY', '')
    expect(() => new Memtrace('http://a.test')).toThrow('no API key: give one, or set MEMTRACE_API_KEY')
  })

  test.each(['mtk_secret\n', 'mtk_ secret', 'mtk_sécret'])('refuses the key %j without telling it', (key) => {
    expect(() => new Memtrace('http://a.test', key)).toThrow(/^the API key has characters that no key has$/)
  })

  test.each([
    ['memtrace.test', 'absolute'],
    ['ftp://memtrace.test', 'http'],
    ['http://user:secret@memtrace.test', 'password'],
  ])('refuses the URL %s', (url, reason) => {
    expect(() => new Memtrace(url, 'mtk_a')).toThrow(reason)
    expect(() => new Memtrace(url, 'mtk_a')).not.toThrow('secret')
  })

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a timeout of %d', (timeout) => {
    expect(() => new Memtrace('http://a.test', 'mtk_a', { timeout })).toThrow('timeout must be')
  })

  test.each([-1, 1.5, Number.NaN])('refuses %d retries', (maxRetries) => {
    expect(() => new Memtrace('http://a.test', 'mtk_a', { maxRetries })).toThrow('maxRetries must be')
  })
})

describe('a call', () => {
  test.each<[string, RequestOptions & { idempotencyKey?: string }]>([
    ['timeout', { timeout: 0 }],
    ['maxRetries', { maxRetries: -1 }],
    ['requestId', { requestId: 'two\nlines' }],
    ['requestId', { requestId: 'x'.repeat(129) }],
    ['idempotencyKey', { idempotencyKey: '' }],
    ['idempotencyKey', { idempotencyKey: 'ü' }],
  ])('refuses a wrong %s', async (name, options) => {
    const asked = recorded()
    const call = new Memtrace('http://a.test', 'mtk_a').remember('agent', 'text', {}, options)
    await expect(call).rejects.toThrow(`${name} must be`)
    expect(asked).toEqual([])
  })

  test('has an idempotency key of its own', async () => {
    const asked = recorded()
    const client = new Memtrace('http://a.test', 'mtk_a')
    await client.remember('agent', 'text')
    await client.remember('agent', 'text')
    vi.stubGlobal('crypto', undefined)
    await client.remember('agent', 'text')
    await client.remember('agent', 'text')
    const keys = asked.map(({ headers }) => headers.get('idempotency-key'))
    expect(new Set(keys).size).toBe(4)
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{32}$/)
  })

  test('sends dates as ISO 8601, and lists of tags with commas', async () => {
    const asked = recorded()
    const client = new Memtrace('http://a.test', 'mtk_a')
    await client.listMemories({ since: new Date(0), tags: ['a', 'b'], agent_id: undefined })
    const { searchParams } = new URL(asked[0]?.url ?? '')
    expect(Object.fromEntries(searchParams)).toEqual({ since: '1970-01-01T00:00:00.000Z', tags: 'a,b' })
  })

  test('decides with further metadata', async () => {
    const bodies: unknown[] = []
    const fetch = (_: unknown, init?: RequestInit): Promise<Response> => {
      bodies.push(JSON.parse(init?.body as string))
      return Promise.resolve(Response.json({ id: 'mem_1' }))
    }
    const client = new Memtrace('http://a.test', 'mtk_a', { fetch })
    await client.decide('agent', 'stop', 'enough', { metadata: { pages: 2 }, session_id: 's' })
    expect(bodies).toEqual([
      {
        agent_id: 'agent',
        memory_type: 'decision',
        event_type: 'decision',
        content: 'stop',
        session_id: 's',
        metadata: { pages: 2, reasoning: 'enough' },
      },
    ])
  })
})
