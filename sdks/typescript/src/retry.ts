/** Whether a failed attempt is repeated, and after how long. Pure. */

import { ConnectionError, MemtraceError, NoArcInstanceError } from './errors.js'

/** A wait that the server asks for is kept up to here, in seconds; a longer one is the caller's to decide. */
export const LONGEST_RETRY_AFTER = 60

const STATUSES: ReadonlySet<number> = new Set([429, 502, 503, 504])
const FINAL_CODES: ReadonlySet<string> = new Set(['store_refused', 'store_denied'])
const FIRST_WAIT = 0.5
const LONGEST_WAIT = 8

/** Whether an operator has to do something first, whatever the status. */
export function isFinal(error: MemtraceError): boolean {
  return error instanceof NoArcInstanceError || FINAL_CODES.has(error.code ?? '')
}

/** Whether the same request may succeed at once or soon. */
function isTransient(error: unknown): error is MemtraceError {
  if (error instanceof ConnectionError) return true
  return error instanceof MemtraceError && STATUSES.has(error.status) && !isFinal(error)
}

/**
 * Seconds to wait after the attempt of this number (from 0), or undefined where it was the last one.
 *
 * `chance` is from 0 up to 1.
 */
export function waitAfter(error: unknown, attempt: number, maxRetries: number, chance: number): number | undefined {
  if (attempt >= maxRetries || !isTransient(error)) return undefined
  if (error.retryAfter === undefined) return backoff(attempt, chance)
  return error.retryAfter <= LONGEST_RETRY_AFTER ? error.retryAfter : undefined
}

/** Between half and all of a time that doubles with each attempt. */
export function backoff(attempt: number, chance: number): number {
  const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt)
  return most * (0.5 + 0.5 * chance)
}

/** Seconds of a `Retry-After`, which is a number or a date; undefined where it is neither. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  if (/^\d+(\.\d+)?$/.test(value.trim())) return Number(value)
  const until = /\d{2}:\d{2}:\d{2} GMT$/.test(value.trim()) ? Date.parse(value) : Number.NaN
  return Number.isNaN(until) ? undefined : Math.max(0, (until - now) / 1000)
}
