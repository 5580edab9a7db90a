/** What becomes of memories that a buffered writer took. */

import { TransportError, InvalidResponseError, MemtraceError } from './errors.js'
import { isFinal } from './retry.js'
import type { AddMemoryRequest } from './types.js'

/** What became of one memory. */
export type WriteResult = StoredWrite | FailedWrite

/** It is stored; where it is a duplicate an equal one was there. `id` is that of the stored memory, if known. */
export interface StoredWrite {
  request: AddMemoryRequest
  status: 'created' | 'duplicate'
  id?: string | undefined
}

/** It was given up, and why. Where there was no answer it may be stored all the same. */
export interface FailedWrite {
  request: AddMemoryRequest
  status: 'failed'
  error: MemtraceError
}

/** How many memories a writer has settled. */
export interface WriteCounts {
  created: number
  duplicates: number
  failed: number
}

/** Whether the server may take the same memories later on. */
export function isForNow(error: MemtraceError): boolean {
  if (error instanceof TransportError || error instanceof InvalidResponseError) return true
  return !isFinal(error) && (error.status === 408 || error.status === 429 || error.status >= 500)
}

export function asFailure(error: unknown): MemtraceError {
  if (error instanceof MemtraceError) return error
  return new MemtraceError('not stored before the writer was closed', { code: 'not_sent', cause: error })
}
