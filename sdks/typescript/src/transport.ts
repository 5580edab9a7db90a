/** One call: its attempts, each with a timeout, and the waits between them. */

import { type Answer, valueIn } from './answer.js'
import { TransportError, TimeoutError } from './errors.js'
import { type CreateOptions, type Settings, validHeader, validRetries, validTimeout } from './options.js'
import { waitAfter } from './retry.js'
import { uniqueKey } from './unique.js'

/** What is asked. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** The segments of the path below the base URL, not escaped. */
  path: readonly string[]
  query?: object | undefined
  /** Sent as JSON, a string as it is; the same bytes in all attempts. */
  body?: object | string | undefined
  /** Creates something, so that repeats need an idempotency key. */
  creates?: boolean
  /** The list that an answer has, where it is one. */
  lists?: string
  /** Whether there is nothing in an answer. */
  isEmpty?: boolean
  options?: CreateOptions | undefined
}

interface Prepared {
  url: string
  init: RequestInit
  timeout: number
  signal: AbortSignal | undefined
}

/** Sends calls. Holds the key, and shows it to nobody. */
export class Transport {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Rejects with a `MemtraceError`, or with the reason of the caller's signal. */
  async send<T>(call: Call): Promise<T> {
    const prepared = this.#prepare(call)
    const maxRetries = validRetries(call.options?.maxRetries ?? this.#settings.maxRetries)
    for (let number = 0; ; number++) {
      try {
        return valueIn(await this.#attempt(prepared), call) as T
      } catch (error) {
        const seconds = waitAfter(error, number, maxRetries, this.#settings.random())
        if (seconds === undefined) throw error
        await this.#settings.sleep(seconds * 1000, prepared.signal)
      }
    }
  }

  #prepare({ method, path, query, body, creates, options = {} }: Call): Prepared {
    const headers: Record<string, string> = { accept: 'application/json', 'x-api-key': this.#settings.apiKey }
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    if (creates) headers['idempotency-key'] = validHeader('idempotencyKey', options.idempotencyKey ?? uniqueKey(), 255)
    if (options.requestId !== undefined) headers['x-request-id'] = validHeader('requestId', options.requestId, 128)
    // A redirect would carry the key to wherever it points.
    const init: RequestInit = { method, headers, redirect: 'manual' }
    if (body !== undefined) init.body = typeof body === 'string' ? body : JSON.stringify(body)
    return {
      url: this.#settings.baseUrl + path.map(segment).join('') + search(query),
      init,
      timeout: validTimeout(options.timeout ?? this.#settings.timeout),
      signal: options.signal,
    }
  }

  async #attempt({ url, init, timeout, signal }: Prepared): Promise<Answer> {
    if (signal?.aborted) throw signal.reason
    const controller = new AbortController()
    const stop = (): void => {
      controller.abort()
    }
    signal?.addEventListener('abort', stop, { once: true })
    const timer = setTimeout(stop, timeout)
    try {
      const response = await this.#settings.fetch(url, { ...init, signal: controller.signal })
      return { status: response.status, headers: response.headers, text: await response.text() }
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      if (controller.signal.aborted) throw new TimeoutError(`no answer within ${timeout} ms`, { cause: error })
      throw new TransportError(`no connection to ${this.#settings.baseUrl}: ${reason(error)}`, { cause: error })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
  }
}

/** An id in a path. `.` and `..` cannot be escaped there. */
function segment(id: string): string {
  if (typeof id === 'string' && !/^\.{0,2}$/.test(id)) return `/${encodeURIComponent(id)}`
  throw new TypeError(`an id must be a text, and neither empty nor dots, not ${JSON.stringify(id)}`)
}

/** The query string with everything that is set, dates as ISO 8601 and lists comma separated. */
function search(query: object | undefined): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null) continue
    params.set(name, value instanceof Date ? value.toISOString() : String(value))
  }
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}

/** Why a connection failed: what the cause says, which Node hides one level down. */
function reason(error: unknown): string {
  const { cause } = error as { cause?: unknown }
  const { code, message } = (cause ?? error) as { code?: unknown; message?: unknown }
  return String(code ?? message ?? error)
}
