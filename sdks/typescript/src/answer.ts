/** An answer becomes a value or an error. Pure. */

import { type ErrorDetails, errorOf, InvalidResponseError, type MemtraceError } from './errors.js'
import { parseRetryAfter } from './retry.js'
import type { JsonObject, Memory, AddedMemories, BatchEntry } from './types.js'

/** What is read of a response. */
export interface Answer {
  status: number
  headers: Headers
  text: string
}

/** What the answer to a call has to be. */
export interface Expected {
  lists?: string
  isEmpty?: boolean
}

const LONGEST_MESSAGE = 1000

/** One of these is in every answer of a server that is no list: whose it is. */
const OWNERS = ['id', 'org_id', 'agent_id', 'session_id']

/**
 * The value of a good answer: parsed JSON, undefined where nothing is expected. Throws what another one tells.
 *
 * The answer of another program must not pass for a value with nothing in it.
 */
export function valueIn(answer: Answer, { lists, isEmpty }: Expected = {}): unknown {
  const { status, text } = answer
  if (status < 200 || status > 299) throw failure(answer)
  if (isEmpty) return undefined
  const value = objectIn(text)
  if (value !== undefined && (lists === undefined ? OWNERS : [lists]).some((name) => name in value)) return value
  throw new InvalidResponseError('the answer is not that of a Memtrace server', { ...fromHeaders(answer), status })
}

/** What a batch is answered with. */
export interface BatchAnswer {
  memories: Memory[]
  count: number
  duplicates?: number
  results?: BatchEntry[]
}

/** The memories that were created, with the rest of the answer beside them. */
export function batchOf({ memories, count, duplicates, results }: BatchAnswer): AddedMemories {
  // Not enumerable, so that the array compares and prints as what it holds.
  return Object.defineProperties([...listIn(memories)], {
    count: { value: count },
    duplicates: { value: duplicates },
    results: { value: results },
  }) as AddedMemories
}

/** The list in a good answer; servers before 0.3 may say null where it is empty. Throws for what is none. */
export function listIn<T>(items: T[] | null | undefined): T[] {
  if (items === null) return []
  if (items instanceof Array) return items
  throw new InvalidResponseError('the answer has not the list that was asked for')
}

function failure(answer: Answer): MemtraceError {
  const { status, text } = answer
  if (status < 400) {
    const message = 'the server redirects; the base URL must be that of the server itself'
    return new InvalidResponseError(message, { ...fromHeaders(answer), status })
  }
  const body = objectIn(text)
  const said = textOf(body, 'error') ?? text.trim().slice(0, LONGEST_MESSAGE)
  return errorOf(status, said || `HTTP ${status}`, { ...fromHeaders(answer), ...fromBody(body) })
}

function fromHeaders({ headers }: Answer): ErrorDetails {
  return {
    requestId: headers.get('x-request-id') ?? undefined,
    retryAfter: parseRetryAfter(headers.get('retry-after'), Date.now()),
  }
}

function fromBody(body: JsonObject | undefined): ErrorDetails {
  const details: ErrorDetails = {
    body,
    code: textOf(body, 'code'),
    hint: textOf(body, 'hint'),
    field: textOf(body, 'field'),
    id: textOf(body, 'id'),
  }
  const requestId = textOf(body, 'request_id')
  if (requestId !== undefined) details.requestId = requestId
  if (typeof body?.['index'] === 'number') details.index = body['index']
  return details
}

function textOf(body: JsonObject | undefined, name: string): string | undefined {
  const value = body?.[name]
  return typeof value === 'string' ? value : undefined
}

function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as JsonObject) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
