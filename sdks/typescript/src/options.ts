/** What a client and a call can be told, checked before anything is sent. */

/** Settings of a client. */
export interface MemtraceOptions {
  /** Milliseconds for one attempt, from its start to the end of the answer. 30,000 if absent. */
  timeout?: number | undefined
  /** How often a call is repeated after connection errors, 429, 502, 503 and 504. 2 if absent. */
  maxRetries?: number | undefined
  /** Instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined
  /** Instead of `setTimeout` between attempts, for tests. Rejects with the signal's reason once it is aborted. */
  sleep?: Sleep | undefined
  /** Instead of `Math.random` for the jitter of waits, for tests. */
  random?: (() => number) | undefined
}

/** Settings of a client, with the URL and the key among them. */
export interface ConnectionOptions extends MemtraceOptions {
  /** `MEMTRACE_URL` if absent, else `http://localhost:9100`. */
  baseUrl?: string | undefined
  /** `MEMTRACE_API_KEY` if absent. */
  apiKey?: string | undefined
}

/** Settings of one call. */
export interface RequestOptions {
  /** Ends the call, its waits and repeats included; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds for one attempt, instead of the client's. */
  timeout?: number | undefined
  /** Instead of the client's. */
  maxRetries?: number | undefined
  /** Sent as `X-Request-ID`: 1 to 128 letters, digits, `.`, `_` or `-`. */
  requestId?: string | undefined
}

/** Settings of a call that creates something. */
export interface CreateOptions extends RequestOptions {
  /** 1 to 255 printable ASCII characters. One is made if absent, the same for all attempts of the call. */
  idempotencyKey?: string | undefined
}

/** Waits for so many milliseconds. */
export type Sleep = (milliseconds: number, signal?: AbortSignal) => Promise<void>

/** The longest time that timers take. */
const LONGEST_TIMEOUT = 2 ** 31 - 1

/** The settings of a client, complete and valid. */
export interface Settings {
  readonly baseUrl: string
  readonly apiKey: string
  readonly timeout: number
  readonly maxRetries: number
  readonly fetch: typeof globalThis.fetch
  readonly sleep: Sleep
  readonly random: () => number
}

/** Throws a `TypeError` that names what is wrong, and never tells the key. */
export function settingsFrom(options: ConnectionOptions): Settings {
  return {
    baseUrl: validUrl(options.baseUrl || environment('MEMTRACE_URL') || 'http://localhost:9100'),
    apiKey: validKey(options.apiKey || environment('MEMTRACE_API_KEY') || ''),
    timeout: validTimeout(options.timeout ?? 30_000),
    maxRetries: validRetries(options.maxRetries ?? 2),
    fetch: options.fetch ?? globalFetch,
    sleep: options.sleep ?? sleep,
    random: options.random ?? Math.random,
  }
}

/** Found anew for each call, as tests and tracers replace it; browsers want it called on the global object. */
const globalFetch: typeof globalThis.fetch = (input, init) => globalThis.fetch(input, init)

export function validTimeout(timeout: number): number {
  if (timeout > 0 && timeout <= LONGEST_TIMEOUT) return timeout
  throw new TypeError(`timeout must be more than 0 and at most ${LONGEST_TIMEOUT} milliseconds`)
}

export function validRetries(maxRetries: number): number {
  if (Number.isInteger(maxRetries) && maxRetries >= 0) return maxRetries
  throw new TypeError('maxRetries must be a whole number, 0 or more')
}

/** A value that may stand in a header; `fetch` would tell it in its error otherwise. */
export function validHeader(name: string, value: string, longest: number): string {
  if (value.length <= longest && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value)) return value
  throw new TypeError(`${name} must be 1 to ${longest} printable ASCII characters`)
}

function validUrl(url: string): string {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new TypeError('baseUrl must be an absolute URL like https://memtrace.example.com')
  }
  if (!/^https?:$/.test(parsed.protocol)) throw new TypeError('baseUrl must begin with http:// or https://')
  if (parsed.username !== '' || parsed.password !== '') throw new TypeError('baseUrl must not hold a password')
  return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '')
}

function validKey(apiKey: string): string {
  if (apiKey === '') throw new TypeError('no API key: give one, or set MEMTRACE_API_KEY')
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new TypeError('the API key has characters that no key has')
  return apiKey
}

/** A variable of the environment, where there is one. */
function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.[name]
}

export const sleep: Sleep = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      // The reason is the caller's own, whatever it is.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
