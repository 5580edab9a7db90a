/** Lists as async iterators: page after page, each asked for once the one before it is used up. */

import { listIn } from './answer.js'
import { InvalidResponseError, MemtraceError } from './errors.js'
import type { Page } from './types.js'

const DEFAULT_LIMIT = 100
const MOST_LIMIT = 1_000

/** Where a page starts. */
export interface Position {
  cursor?: string | undefined
  offset?: number | undefined
  /** How much of it is asked for. */
  limit?: number | undefined
}

interface Pages<P extends Page, T> {
  /** The page at this position; the filters are the same each time. */
  fetch(position: Position): Promise<P>
  items(page: P): T[] | undefined
  /** Where the caller wants to start. */
  from: Position
  /** Whether a server without cursors can be paged by offset. */
  byOffset: boolean
}

/** Every item to the end. Rejects when the server repeats a cursor, as that would never end. */
export async function* iterate<P extends Page, T>(pages: Pages<P, T>): AsyncGenerator<T, void, undefined> {
  let position: Position | undefined = pages.from
  let reached = pages.from.offset ?? 0
  while (position !== undefined) {
    let page: P
    try {
      page = await pages.fetch(position)
    } catch (error) {
      position = smaller(position, error)
      continue
    }
    const items = listIn(pages.items(page))
    reached += items.length
    yield* items
    position = following(position, page, items.length > 0 && pages.byOffset ? reached : undefined)
  }
}

function following(position: Position, page: Page, offset: number | undefined): Position | undefined {
  const cursor = page.next_cursor || undefined
  if (cursor === undefined) {
    return page.has_more && offset !== undefined ? { ...position, cursor, offset } : undefined
  }
  if (cursor === position.cursor) {
    throw new InvalidResponseError('the server repeats a cursor')
  }
  return { ...position, cursor, offset: undefined }
}

/**
 * A quarter of a page that was larger than one answer may be: functions in AWS Lambda answer no more than 6 MB.
 * Throws what is another error.
 */
function smaller(position: Position, error: unknown): Position {
  const limit = position.limit ?? DEFAULT_LIMIT
  const isTooLarge = error instanceof MemtraceError && error.status === 400 && error.field === 'limit'
  if (!isTooLarge || limit < 2 || limit > MOST_LIMIT) throw error
  return { ...position, limit: Math.max(1, Math.floor(limit / 4)) }
}
