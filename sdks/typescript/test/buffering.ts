/** A buffered writer in front of a server that replies as a test says, by a clock that the test moves. */

import { afterEach, beforeEach, expect, vi } from 'vitest'
import {
  BufferedWriteError,
  type BufferedWriter,
  type BufferOptions,
  type FailedWrite,
  Memtrace,
} from '../src/index.js'

interface Sent {
  key: string
  contents: string[]
}

export type Reply = (contents: string[]) => Response | Promise<Response>

/** Stands in for the server: replies one after the other, then stores whatever comes. */
class Server {
  readonly sent: Sent[] = []
  readonly #replies: Reply[]

  constructor(replies: Reply[]) {
    this.#replies = [...replies]
  }

  readonly fetch = async (_: unknown, init: RequestInit = {}): Promise<Response> => {
    const { memories } = JSON.parse(init.body as string) as { memories: { content: string }[] }
    const contents = memories.map(({ content }) => content)
    this.sent.push({ key: new Headers(init.headers).get('idempotency-key') ?? '', contents })
    const reply = this.#replies.shift() ?? stored
    const { signal } = init
    return await Promise.race([
      reply(contents),
      new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => {
          reject(new DOMException('aborted', 'AbortError'))
        })
      }),
    ])
  }

  get batches(): string[][] {
    return this.sent.map(({ contents }) => contents)
  }
}

export const stored: Reply = (contents) =>
  Response.json(
    {
      memories: contents.map((content) => ({ agent_id: 'agent', content })),
      count: contents.length,
      duplicates: 0,
      results: contents.map((content) => ({ status: 'created', id: `mem_${content}` })),
    },
    { status: 201 },
  )

export function refused(status: number, more: object = {}, headers: Record<string, string> = {}): Reply {
  return () => Response.json({ error: `refused with ${status}`, ...more }, { status, headers })
}

export const unreachable: Reply = () => {
  throw new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })
}

/** A reply that is held back until it is let go. */
export function held(reply: Reply = stored): { reply: Reply; letGo: () => void } {
  let letGo = (): void => undefined
  const gate = new Promise<void>((resolve) => (letGo = resolve))
  return { reply: (contents) => gate.then(() => reply(contents)), letGo }
}

interface Buffering {
  server: Server
  writer: BufferedWriter
  add: (...contents: string[]) => Promise<unknown>
}

export function writerOn(replies: Reply[], options: BufferOptions = {}): Buffering {
  const server = new Server(replies)
  const client = new Memtrace('http://memtrace.test', 'mtk_x', { fetch: server.fetch, maxRetries: 0 })
  const writer = client.buffered(options)
  const add = (...contents: string[]): Promise<unknown> =>
    Promise.all(contents.map((content) => writer.add({ agent_id: 'agent', content })))
  return { server, writer, add }
}

export async function failuresOf(outcome: Promise<unknown>): Promise<readonly FailedWrite[]> {
  const error: unknown = await outcome.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(BufferedWriteError)
  return (error as BufferedWriteError).failures
}

/** To be called by every file that uses this. */
export function byManualClock(): void {
  beforeEach(() => {
    vi.useFakeTimers()
  })

  afterEach(() => {
    // Nothing keeps a process alive once all is settled.
    const timers = vi.getTimerCount()
    vi.useRealTimers()
    expect(timers).toBe(0)
  })
}
