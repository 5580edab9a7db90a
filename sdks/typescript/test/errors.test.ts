/** Errors are made as the original's were, by tests that stand in for a server. */

import { expect, test } from 'vitest'
import {
  AuthenticationError,
  ConflictError,
  MemtraceError,
  NoArcInstanceError,
  NotFoundError,
  RateLimitError,
} from '../src/index.js'

test.each([
  [AuthenticationError, 401],
  [NotFoundError, 404],
  [ConflictError, 409],
  [RateLimitError, 429],
  [NoArcInstanceError, 503],
])('%o has its status by itself', (Kind, status) => {
  expect([new Kind().statusCode, new Kind('text').status, new Kind('text').message]).toEqual([status, status, 'text'])
  expect(new Kind().message).not.toBe('')
})

test('a number is the status of an error', () => {
  expect([new MemtraceError('text', 500).statusCode, new MemtraceError('text').statusCode]).toEqual([500, 0])
})
