/** A writer in front of the API: memories go in one by one, and out in batches, in the background. */

import { type Batch, type Entry, entryOf, memoryOf, Queue, resultsOf } from './batches.js'
import { BufferedWriteError, MemtraceError } from './errors.js'
import { type CreateOptions, sleep } from './options.js'
import { pauseAfter } from './retry.js'
import { decided, type MemoryFields, remembered } from './shortcuts.js'
import type { AddMemoryRequest, AddedMemories } from './types.js'
import { uniqueKey } from './unique.js'
import { asFailure, type FailedWrite, isForNow, type WriteCounts, type WriteResult } from './writes.js'

/** Settings of a writer. */
export interface BufferOptions {
  /** Memories in a request at most: 1 to 1,000, 200 if absent. */
  maxBatch?: number | undefined
  /** Milliseconds that a memory waits for others at most. 500 if absent. */
  maxDelay?: number | undefined
  /** While this many memories are pending, `add` waits. 10,000 if absent. */
  maxPending?: number | undefined
  /** While this many bytes are pending, `add` waits. 64 MB if absent. */
  maxPendingBytes?: number | undefined
  /** Is told what became of each memory. Failures are not told otherwise then. */
  onResult?: ((result: WriteResult) => void) | undefined
  /** Is told each time that the server could not take memories for now. They are sent again. */
  onRetry?: ((error: MemtraceError) => void) | undefined
}

/** Sends JSON to `POST /memories`. */
export type SendBatch = (json: string, options: CreateOptions) => Promise<AddedMemories>

/** How closing ends. */
export interface CloseOptions {
  /** Ends the attempts. */
  signal?: AbortSignal | undefined
  /** Milliseconds until the attempts end. 60,000 if absent. */
  timeout?: number | undefined
}

/**
 * Stores memories in batches, in the order in which they were added, one batch at a time.
 *
 * A memory that was added is stored, or is a duplicate, or is told as failed, once: to `onResult`, else by `flush` or
 * `close`. While the server cannot take memories they wait and are sent again, under the same idempotency key; one that it refuses
 * fails at once and holds up no other. It must be closed. Until all is settled it keeps a process alive.
 */
export class BufferedWriter {
  readonly #send: SendBatch
  readonly #queue: Queue
  readonly #maxDelay: number
  readonly #maxPending: number
  readonly #maxPendingBytes: number
  readonly #onResult: BufferOptions['onResult']
  readonly #onRetry: BufferOptions['onRetry']
  readonly #failures: FailedWrite[] = []
  readonly #counts: WriteCounts = { created: 0, duplicates: 0, failed: 0 }
  readonly #stop = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  #turn: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #waiting: (() => void)[] = []
  #added = 0
  #misses = 0
  #stuck: MemtraceError | undefined
  #failedBytes = 0
  #thrown: { error: unknown } | undefined

  constructor(send: SendBatch, options: BufferOptions = {}) {
    this.#send = send
    this.#queue = new Queue(whole('maxBatch', options.maxBatch ?? 200, 1000), uniqueKey)
    this.#maxDelay = whole('maxDelay', options.maxDelay ?? 500, 2 ** 31 - 1)
    this.#maxPending = whole('maxPending', options.maxPending ?? 10_000)
    this.#maxPendingBytes = whole('maxPendingBytes', options.maxPendingBytes ?? 64 * 1024 * 1024)
    this.#onResult = options.onResult
    this.#onRetry = options.onRetry
  }

  /** How many memories are not settled: neither stored, nor duplicates, nor failed. */
  get pending(): number {
    return this.#added - this.#settled
  }

  /** What became of the others, so far. */
  get counts(): WriteCounts {
    return { ...this.#counts }
  }

  get #settled(): number {
    return this.#counts.created + this.#counts.duplicates + this.#counts.failed
  }

  /**
   * Takes a memory as it is now. Await it: it resolves once there is room for more.
   *
   * Rejects, and has not taken the memory, after `close`, where it is not JSON, and with a `BufferedWriteError` where
   * as many failures as may be pending, or as many bytes, were not told.
   */
  async add(memory: AddMemoryRequest): Promise<void> {
    if (this.#closing !== undefined) throw new MemtraceError('the buffered writer is closed', { code: 'closed' })
    if (this.#failures.length >= this.#maxPending || this.#failedBytes >= this.#maxPendingBytes) this.#tell()
    this.#queue.push(entryOf(memory))
    this.#added++
    this.#schedule()
    if (this.#isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** `add` of what the client's `remember` stores. */
  remember(agentId: string, content: string, fields?: MemoryFields): Promise<void> {
    return this.add(remembered(agentId, content, fields))
  }

  /** `add` of what the client's `decide` stores. */
  decide(agentId: string, decision: string, reasoning: string, fields?: MemoryFields): Promise<void> {
    return this.add(decided(agentId, decision, reasoning, fields))
  }

  /**
   * Sends what was added until now without further delay. Resolves once all of it is stored.
   *
   * Rejects where the server could not take it for now; it waits on then. Rejects with a `BufferedWriteError` for what
   * failed and was not told before.
   */
  async flush(): Promise<WriteCounts> {
    await this.#drain()
    this.#tell()
    return this.counts
  }

  /**
   * Takes no more, and sends what is pending. What could not be stored and was not told before is in the `failures` of
   * the `BufferedWriteError` that this rejects with.
   *
   * While the server cannot take it, this tries on for a minute, or as its options say; what is pending then has failed.
   * Closing again tells no failure twice.
   */
  close(options: CloseOptions = {}): Promise<WriteCounts> {
    const { signal, timeout = 60_000 } = options
    const stop = (): void => {
      this.#stop.abort(signal?.reason)
    }
    if (signal?.aborted || timeout <= 0) stop()
    const timer = setTimeout(stop, Math.min(timeout, 2 ** 31 - 1))
    signal?.addEventListener('abort', stop, { once: true })
    this.#closing ??= this.#finish()
    return this.#closing.then(() => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      this.#tell()
      return this.counts
    })
  }

  async #finish(): Promise<void> {
    this.#unschedule()
    while (this.pending > 0) {
      try {
        await this.#drain()
      } catch (error) {
        if (this.#stop.signal.aborted) this.#giveUp(this.#stuck ?? asFailure(error))
        else await sleep(this.#pause(error), this.#stop.signal).catch(() => undefined)
      }
    }
    this.#release()
  }

  #giveUp(error: MemtraceError): void {
    for (const entry of this.#queue.takeAll()) this.#fail(entry, error)
  }

  async #drain(): Promise<void> {
    const mark = this.#added
    while (this.#settled < mark) await this.#sendFirst()
  }

  #tell(): void {
    const thrown = this.#thrown
    ;[this.#thrown, this.#failedBytes] = [undefined, 0]
    if (this.#failures.length > 0) throw new BufferedWriteError(this.#failures.splice(0))
    if (thrown !== undefined) throw thrown.error
  }

  /** Sees to it that what is pending is going to be sent. */
  #schedule(): void {
    if (this.#turn !== undefined || this.#closing !== undefined || this.pending === 0) return
    if (this.#misses === 0 && this.#queue.isBatchFull) {
      this.#unschedule()
      this.#sendInBackground()
    } else {
      this.#timer ??= setTimeout(this.#sendInBackground, this.#maxDelay)
    }
  }

  #scheduleAgain(error: unknown): void {
    if (this.#closing !== undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(this.#sendInBackground, this.#pause(error))
  }

  /** Milliseconds until the next turn after one that failed. */
  #pause(error: unknown): number {
    return pauseAfter(error, this.#misses, Math.random()) * 1000
  }

  #unschedule(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  readonly #sendInBackground = (): void => {
    this.#timer = undefined
    // Whoever wants to know of a failure is told by `onRetry`; the memories are still there.
    if (this.pending > 0) this.#sendFirst().catch(() => undefined)
  }

  /** Sends the first batch, or joins whoever does. Rejects where it has to be sent again. */
  #sendFirst(): Promise<void> {
    this.#turn ??= this.#deliver(this.#queue.first()).then(
      () => {
        this.#turn = undefined
        this.#schedule()
      },
      (error: unknown) => {
        this.#turn = undefined
        this.#scheduleAgain(error)
        throw error
      },
    )
    return this.#turn
  }

  async #deliver({ key, entries }: Batch): Promise<void> {
    try {
      const json = `{"memories":[${entries.map((entry) => entry.text).join(',')}]}`
      const batch = await this.#send(json, { idempotencyKey: key, signal: this.#stop.signal })
      this.#queue.settle()
      for (const result of resultsOf(entries, batch)) this.#settle(result)
    } catch (error) {
      this.#onError(entries, error)
    }
    this.#misses = 0
    this.#stuck = undefined
    if (!this.#isFull) this.#release()
  }

  /** A memory that is refused costs only itself. Throws where all of them may be taken later. */
  #onError(entries: readonly Entry[], error: unknown): void {
    if (this.#stop.signal.aborted) throw error
    const failure = asFailure(error)
    if (isForNow(failure)) {
      this.#misses++
      this.#stuck = failure
      this.#tellListener(this.#onRetry, failure)
      throw failure
    }
    const isRefused = failure.status === 400 || failure.status === 413
    const wrong = isRefused && failure.index !== undefined ? entries[failure.index] : undefined
    if (wrong !== undefined) {
      this.#queue.without(entries.indexOf(wrong))
      this.#fail(wrong, failure)
    } else if (isRefused && entries.length > 1) {
      this.#queue.halve()
    } else {
      this.#queue.settle()
      for (const entry of entries) this.#fail(entry, failure)
    }
  }

  #fail(entry: Entry, error: MemtraceError): void {
    if (this.#onResult === undefined) this.#failedBytes += entry.bytes
    this.#settle({ request: memoryOf(entry), status: 'failed', error })
  }

  #settle(result: WriteResult): void {
    this.#counts[COUNTED[result.status]]++
    if (this.#onResult !== undefined) this.#tellListener(this.#onResult, result)
    else if (result.status === 'failed') this.#failures.push(result)
  }

  /** What it throws stops nothing, and is told by the next `flush` or `close`. */
  #tellListener<T>(listener: ((value: T) => void) | undefined, value: T): void {
    try {
      listener?.(value)
    } catch (error) {
      this.#thrown ??= { error }
    }
  }

  get #isFull(): boolean {
    return this.pending >= this.#maxPending || this.#queue.bytes >= this.#maxPendingBytes
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

const COUNTED = { created: 'created', duplicate: 'duplicates', failed: 'failed' } as const

function whole(name: string, value: number, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new TypeError(`${name} must be a whole number from 1 to ${most}`)
}
