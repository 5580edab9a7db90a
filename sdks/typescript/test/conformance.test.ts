/** What every SDK does on the wire: `sdks/conformance`. */

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  AuthenticationError,
  ConflictError,
  TransportError,
  Memtrace,
  MemtraceError,
  NoArcInstanceError,
  NotFoundError,
  RateLimitError,
} from '../src/index.js'
import { type Arguments, operations } from './operations.js'
import { type Exchange, Wire } from './wire.js'

interface Case {
  name: string
  call: { operation: string; arguments: Arguments }
  exchanges: Exchange[]
  returns?: unknown
  raises?: Record<string, unknown>
  waits?: (number | 'jitter')[]
}

const folder = new URL('../../conformance/', import.meta.url)
const topics = readdirSync(folder).filter((name) => name.endsWith('.json'))

const kinds: [string, abstract new (...args: never[]) => MemtraceError][] = [
  ['authentication', AuthenticationError],
  ['not_found', NotFoundError],
  ['conflict', ConflictError],
  ['rate_limited', RateLimitError],
  ['no_arc_instance', NoArcInstanceError],
  ['transport', TransportError],
  ['memtrace', MemtraceError],
]

test('there are conformance files', () => {
  expect(topics.length).toBeGreaterThanOrEqual(6)
})

for (const topic of topics) {
  const { cases } = JSON.parse(readFileSync(new URL(topic, folder), 'utf8')) as { cases: Case[] }
  describe(topic, () => {
    test.each(cases)('$name', async (one) => {
      const wire = new Wire(one.exchanges)
      const client = new Memtrace('http://memtrace.test', 'mtk_conformance', {
        fetch: wire.fetch,
        sleep: wire.sleep,
        random: () => 0.5,
        ...(one.exchanges.some(({ response }) => response.fault === 'silence') && { timeout: 20 }),
      })
      const operation = operations[one.call.operation]
      if (operation === undefined) throw new Error(`no such operation: ${one.call.operation}`)

      const outcome = await Promise.resolve(operation(client, one.call.arguments)).then(
        (value) => ({ value: value ?? null }),
        (error: unknown) => ({ error }),
      )

      wire.expectUsedUp()
      if ('value' in outcome) {
        expect(one.raises, 'should have raised').toBeUndefined()
        expectReturned(outcome.value, one.returns)
      } else {
        if (one.raises === undefined) throw outcome.error
        expect(inWireForm(outcome.error)).toMatchObject(one.raises)
      }
      expectWaits(wire.waits, one.waits ?? [])
    })
  })
}

function inWireForm(error: unknown): Record<string, unknown> {
  const [kind] = kinds.find(([, Kind]) => error instanceof Kind) ?? ['foreign']
  const { status, code, hint, requestId, field, index, id, message } = error as MemtraceError
  return { error: kind, status, code, hint, request_id: requestId, field, index, id, message }
}

/** The value has at least the expected members; what is expected as null is absent, null or empty. */
function expectReturned(value: unknown, expected: unknown): void {
  if (expected === null) {
    expect(value === undefined || value === null || value === '' || JSON.stringify(value) === '[]').toBe(true)
  } else if (Array.isArray(expected)) {
    expect(value).toHaveLength(expected.length)
    for (const [index, member] of expected.entries()) expectReturned((value as unknown[])[index], member)
  } else if (typeof expected === 'object') {
    for (const [name, member] of Object.entries(expected)) {
      expectReturned((value as Record<string, unknown>)[name], member)
    }
  } else {
    expect(value).toEqual(expected)
  }
}

function expectWaits(waits: number[], expected: (number | 'jitter')[]): void {
  expect(waits).toHaveLength(expected.length)
  for (const [attempt, wait] of expected.entries()) {
    const most = Math.min(8, 0.5 * 2 ** attempt)
    // Half the range, as the chance is 0.5.
    expect(waits[attempt]).toBe(wait === 'jitter' ? most * 0.75 : wait)
  }
}
