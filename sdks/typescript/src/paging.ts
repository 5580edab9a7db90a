/** Lists as async iterators: page after page, each asked for once the one before it is used up. */

import { listIn } from './answer.js'
import { InvalidResponseError } from './errors.js'
import type { Page } from './types.js'

/** Where a page starts. */
export interface Position {
  cursor?: string | undefined
  offset?: number | undefined
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
    const page: P = await pages.fetch(position)
    const items = listIn(pages.items(page))
    reached += items.length
    yield* items
    position = following(position, page, items.length > 0 && pages.byOffset ? reached : undefined)
  }
}

function following(position: Position, page: Page, offset: number | undefined): Position | undefined {
  const cursor = page.next_cursor || undefined
  if (cursor === undefined) return page.has_more && offset !== undefined ? { offset } : undefined
  if (cursor === position.cursor) {
    throw new InvalidResponseError('the server repeats a cursor')
  }
  return { cursor }
}
