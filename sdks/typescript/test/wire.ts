/** Stands in for the network: answers as a conformance file says, and holds each request against it. */

import { expect } from 'vitest'

export interface Exchange {
  request: {
    method: string
    path: string
    query?: Record<string, string>
    headers?: Record<string, string>
    body?: unknown
  }
  response: {
    status?: number
    headers?: Record<string, string>
    body?: unknown
    fault?: 'refused' | 'reset' | 'silence'
  }
}

export class Wire {
  readonly waits: number[] = []
  readonly #exchanges: Exchange[]
  readonly #held = new Map<string, string>()
  #next = 0

  constructor(exchanges: Exchange[]) {
    this.#exchanges = exchanges
  }

  readonly fetch = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> =>
    Promise.resolve().then(() => this.#answer(input as string, init))

  #answer(url: string, init: RequestInit): Response | Promise<Response> {
    const exchange = this.#exchanges[this.#next++]
    if (exchange === undefined) throw new Error(`one request too many: ${init.method} ${url}`)
    this.#expectRequest(exchange.request, new URL(url), init)
    return exchange.response.fault === 'silence' ? silence(init.signal) : answered(exchange.response)
  }

  readonly sleep = (milliseconds: number): Promise<void> => {
    this.waits.push(milliseconds / 1000)
    return Promise.resolve()
  }

  expectUsedUp(): void {
    expect(this.#next, 'number of requests').toBe(this.#exchanges.length)
  }

  #expectRequest(expected: Exchange['request'], url: URL, init: RequestInit): void {
    expect(init.method).toBe(expected.method)
    expect(url.pathname).toBe(expected.path)
    expect(Object.fromEntries(url.searchParams)).toEqual(expected.query ?? {})
    const headers = new Headers(init.headers)
    for (const [name, value] of Object.entries(expected.headers ?? {})) this.#expectHeader(headers.get(name), value)
    if ('body' in expected) expect(JSON.parse(init.body as string)).toEqual(expected.body)
    else expect(init.body).toBeUndefined()
  }

  #expectHeader(value: string | null, expected: string): void {
    if (expected === '*') expect(value).toBeTruthy()
    else if (expected.startsWith('$')) {
      expect(value).toBeTruthy()
      expect(value).toBe(this.#held.get(expected) ?? value)
      this.#held.set(expected, String(value))
    } else expect(value).toBe(expected)
  }
}

/** Rejects as fetch does once its signal is aborted. */
function silence(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => {
      reject(new DOMException('aborted', 'AbortError'))
    })
  })
}

function answered({ fault, status, headers = {}, body }: Exchange['response']): Response {
  // What Node's fetch rejects with.
  if (fault === 'refused') throw new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })
  if (fault === 'reset') throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } })
  if (body === undefined || body === null) return new Response(null, { status: status ?? 0, headers })
  const isText = typeof body === 'string'
  return new Response(isText ? body : JSON.stringify(body), {
    status: status ?? 0,
    headers: { 'content-type': isText ? 'text/html' : 'application/json', ...headers },
  })
}
