/** The errors of this package, and which answer becomes which. */

import type { FailedWrite } from './writes.js'

/** What an answer said beside its message. */
export interface ErrorDetails {
  status?: number | undefined
  code?: string | undefined
  hint?: string | undefined
  requestId?: string | undefined
  field?: string | undefined
  index?: number | undefined
  id?: string | undefined
  retryAfter?: number | undefined
  body?: Readonly<Record<string, unknown>> | undefined
  cause?: unknown
}

/** Whatever went wrong with a call. Never holds the API key. */
export class MemtraceError extends Error {
  override readonly name: string = 'MemtraceError'
  /** The HTTP status; 0 where there was no answer. */
  readonly status: number
  /** A stable word for programs, such as `duplicate_memory`. Servers before 0.3 send none. */
  readonly code: string | undefined
  /** The way out, where there is one. */
  readonly hint: string | undefined
  /** What the server's log has this under. */
  readonly requestId: string | undefined
  /** The field that is wrong, as `memories[1].tags[0]`. */
  readonly field: string | undefined
  /** Which memory of a batch is wrong, from 0. */
  readonly index: number | undefined
  /** With `duplicate_memory`: the memory that is there already. */
  readonly id: string | undefined
  /** After how many seconds the server wants to be asked again. */
  readonly retryAfter: number | undefined
  /** All that the server said, where it was JSON. */
  readonly body: Readonly<Record<string, unknown>> | undefined

  /** A number is the status. */
  constructor(message: string, told: number | ErrorDetails = {}) {
    const details = typeof told === 'number' ? { status: told } : told
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.status = details.status ?? 0
    this.code = details.code
    this.hint = details.hint
    this.requestId = details.requestId
    this.field = details.field
    this.index = details.index
    this.id = details.id
    this.retryAfter = details.retryAfter
    this.body = details.body
  }

  /** The same as `status`. */
  get statusCode(): number {
    return this.status
  }
}

/** 401: no key, or none that is valid. */
export class AuthenticationError extends MemtraceError {
  override readonly name: string = 'AuthenticationError'

  constructor(message = 'Invalid or missing API key', details: ErrorDetails = {}) {
    super(message, { status: 401, ...details })
  }
}

/** 404: no such memory, agent, session or deletion. */
export class NotFoundError extends MemtraceError {
  override readonly name: string = 'NotFoundError'

  constructor(message = 'Resource not found', details: ErrorDetails = {}) {
    super(message, { status: 404, ...details })
  }
}

/** 409: a duplicate memory, a name that is taken, a clash of idempotency keys. */
export class ConflictError extends MemtraceError {
  override readonly name: string = 'ConflictError'

  constructor(message = 'Conflict', details: ErrorDetails = {}) {
    super(message, { status: 409, ...details })
  }
}

/** 429: more than the key or the organization may send; `retryAfter` says how long to wait. */
export class RateLimitError extends MemtraceError {
  override readonly name: string = 'RateLimitError'

  constructor(message = 'Too many requests', details: ErrorDetails = {}) {
    super(message, { status: 429, ...details })
  }
}

/** 503: the organization has no Arc instance. An administrator has to bind one: see `hint`. */
export class NoArcInstanceError extends MemtraceError {
  override readonly name: string = 'NoArcInstanceError'

  constructor(message = 'no arc instance configured for this org', details: ErrorDetails = {}) {
    super(message, { status: 503, ...details })
  }
}

/** No answer at all: the connection was refused, broke, or timed out. A write may or may not have been stored. */
export class TransportError extends MemtraceError {
  override readonly name: string = 'TransportError'
}

/** No answer in time. A write may or may not have been stored. */
export class TimeoutError extends TransportError {
  override readonly name: string = 'TimeoutError'
}

/** A success that is no answer of Memtrace: mostly something in between that answered in its place. */
export class InvalidResponseError extends MemtraceError {
  override readonly name: string = 'InvalidResponseError'

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, code: 'invalid_response' })
  }
}

/** Memories that a buffered writer took and could not store. */
export class BufferedWriteError extends MemtraceError {
  override readonly name: string = 'BufferedWriteError'
  /** Each of them and why, in order. */
  readonly failures: readonly FailedWrite[]

  constructor(failures: readonly FailedWrite[]) {
    const cause = failures[0]?.error
    super(`${failures.length} memories were not stored; the first: ${cause?.message}`, {
      code: 'buffered_write_failed',
      cause,
    })
    this.failures = failures
  }
}

/** The error that an answer of this status is. */
export function errorOf(status: number, message: string, details: ErrorDetails): MemtraceError {
  const Kind = kindOf(status, message, details.code)
  return new Kind(message, { ...details, status })
}

type Kind = new (message: string, details: ErrorDetails) => MemtraceError

function kindOf(status: number, message: string, code: string | undefined): Kind {
  if (status === 401) return AuthenticationError
  if (status === 404) return NotFoundError
  if (status === 409) return ConflictError
  if (status === 429) return RateLimitError
  const unbound = code === 'no_arc_instance' || message.toLowerCase().includes('arc instance')
  return status === 503 && unbound ? NoArcInstanceError : MemtraceError
}
