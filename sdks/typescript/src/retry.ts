/** Whether a failed attempt is repeated, and after how long. Pure. */

import { TransportError, MemtraceError, NoArcInstanceError } from './errors.js'

/** A wait that the server asks for is kept up to here, in seconds; a longer one is the caller's to decide. */
export const LONGEST_RETRY_AFTER = 60

const STATUSES: ReadonlySet<number> = new Set([429, 502, 503, 504])
const FINAL_CODES: ReadonlySet<string> = new Set(['store_refused', 'store_denied'])
const FIRST_WAIT = 0.5
const LONGEST_WAIT = 8
const LONGEST_PAUSE = 30
const LONGEST_ASKED_PAUSE = 300

/** Whether an operator has to do something first, whatever the status. */
export function isFinal(error: MemtraceError): boolean {
  return error instanceof NoArcInstanceError || FINAL_CODES.has(error.code ?? '')
}

/** Whether the same request may succeed at once or soon. */
function isTransient(error: unknown): error is MemtraceError {
  if (error instanceof TransportError) return true
  return error instanceof MemtraceError && STATUSES.has(error.status) && !isFinal(error)
}

/**
 * Seconds to wait after the attempt of this number (from 0), or undefined where it was the last one.
 *
 * `chance` is from 0 up to 1.
 */
export function waitAfter(error: unknown, attempt: number, maxRetries: number, chance: number): number | undefined {
  if (attempt >= maxRetries || !isTransient(error)) return undefined
  if (error.retryAfter === undefined) {
    return jittered(Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempt), chance)
  }
  return error.retryAfter <= LONGEST_RETRY_AFTER ? error.retryAfter : undefined
}

/** Seconds that a writer waits after so many turns in a row that failed, the last one with this error. */
export function pauseAfter(error: unknown, misses: number, chance: number): number {
  const asked = error instanceof MemtraceError ? error.retryAfter : undefined
  const pause = jittered(Math.min(LONGEST_PAUSE, 2 ** (misses - 1)), chance)
  return Math.max(pause, Math.min(asked ?? 0, LONGEST_ASKED_PAUSE))
}

/** Between half and all of a time. */
function jittered(most: number, chance: number): number {
  return most * (0.5 + 0.5 * chance)
}

/** Seconds of a `Retry-After`, which is a number or a date; undefined where it is neither. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  if (/^\d+(\.\d+)?$/.test(value.trim())) return Math.min(Number(value), 1e9)
  const until = /\d{2}:\d{2}:\d{2} GMT$/.test(value.trim()) ? Date.parse(value) : Number.NaN
  return Number.isNaN(until) ? undefined : Math.max(0, (until - now) / 1000)
}
