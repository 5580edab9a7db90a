/** Memories on their way out: queued as JSON, cut into batches, and batches cut smaller. No I/O. */

import type { StoredWrite } from './writes.js'
import type { AddMemoryRequest, AddedMemories } from './types.js'

/** A memory as it was when it was added. */
export interface Entry {
  readonly text: string
  readonly bytes: number
}

/** Entries that are sent together, under the same key each time. */
export interface Batch {
  readonly key: string
  readonly entries: readonly Entry[]
}

/** A request stays well below the 4 MB that a server takes. A memory that is larger goes alone. */
const BATCH_BYTES = 1024 * 1024

/** Throws a `TypeError` where the memory is not JSON. */
export function entryOf(memory: AddMemoryRequest): Entry {
  const text = JSON.stringify(memory) as string | undefined
  if (!text?.startsWith('{')) throw new TypeError('a memory must be an object')
  return { text, bytes: new TextEncoder().encode(text).length }
}

export function memoryOf(entry: Entry): AddMemoryRequest {
  return JSON.parse(entry.text) as AddMemoryRequest
}

/**
 * What became of each entry of a batch that was stored.
 *
 * A server before 0.3 tells only what it created, in order: what is not among it was a duplicate.
 */
export function resultsOf(entries: readonly Entry[], batch: AddedMemories): StoredWrite[] {
  const { results } = batch
  if (results?.length === entries.length) {
    return entries.map((entry, index) => {
      const result = results[index]
      // A status of a newer server is one of a memory that is stored.
      const status = result?.status === 'duplicate' ? 'duplicate' : 'created'
      return { request: memoryOf(entry), status, id: result?.id }
    })
  }
  let next = 0
  return entries.map((entry) => {
    const request = memoryOf(entry)
    const created = batch[next]
    const isNew = created?.agent_id === request.agent_id && created.content === request.content
    if (isNew) next++
    return { request, status: isNew ? 'created' : 'duplicate', id: isNew ? created.id : undefined }
  })
}

/** First in, first out. */
export class Queue {
  readonly #maxBatch: number
  readonly #newKey: () => string
  readonly #batches: Batch[] = []
  #loose: Entry[] = []
  #bytes = 0

  constructor(maxBatch: number, newKey: () => string) {
    this.#maxBatch = maxBatch
    this.#newKey = newKey
  }

  /** What all entries have together. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a batch would not become larger by waiting. */
  get isBatchFull(): boolean {
    return this.#batches.length > 0 || this.#loose.length >= this.#maxBatch || this.#bytes >= BATCH_BYTES
  }

  push(entry: Entry): void {
    this.#loose.push(entry)
    this.#bytes += entry.bytes
  }

  /** The batch to be sent; the same one until it is settled or changed. */
  first(): Batch {
    const [begun] = this.#batches
    if (begun !== undefined) return begun
    const batch = this.#batchOf(this.#loose.splice(0, this.#fitting()))
    this.#batches.push(batch)
    return batch
  }

  /** The first batch is done with. */
  settle(): void {
    const batch = this.#batches.shift()
    for (const entry of batch?.entries ?? []) this.#bytes -= entry.bytes
  }

  /** The first batch without one of its entries. */
  without(index: number): void {
    const { entries } = this.first()
    this.#bytes -= entries[index]?.bytes ?? 0
    this.#replaceFirst([entries.filter((_, other) => other !== index)])
  }

  /** The first batch as two. */
  halve(): void {
    const { entries } = this.first()
    const middle = Math.ceil(entries.length / 2)
    this.#replaceFirst([entries.slice(0, middle), entries.slice(middle)])
  }

  /** Everything, in order; nothing is left. */
  takeAll(): Entry[] {
    const all = [...this.#batches.splice(0).flatMap((batch) => batch.entries), ...this.#loose.splice(0)]
    this.#bytes = 0
    return all
  }

  #fitting(): number {
    let bytes = 0
    const end = this.#loose.findIndex((entry, index) => {
      bytes += entry.bytes
      return index === this.#maxBatch || (index > 0 && bytes > BATCH_BYTES)
    })
    return end === -1 ? this.#loose.length : end
  }

  #batchOf(entries: readonly Entry[]): Batch {
    return { key: this.#newKey(), entries }
  }

  #replaceFirst(parts: (readonly Entry[])[]): void {
    this.#batches.splice(0, 1, ...parts.filter((part) => part.length > 0).map((part) => this.#batchOf(part)))
  }
}
