/** Client for Memtrace. */

export { BufferedWriter, type BufferOptions, type CloseOptions } from './buffered.js'
export { Memtrace } from './client.js'
export {
  AuthenticationError,
  BufferedWriteError,
  ConflictError,
  TransportError,
  InvalidResponseError,
  MemtraceError,
  NoArcInstanceError,
  NotFoundError,
  RateLimitError,
  TimeoutError,
} from './errors.js'
export type { MemtraceOptions, ConnectionOptions, CreateOptions, RequestOptions, Sleep } from './options.js'
export type { MemoryFields } from './shortcuts.js'
export type * from './types.js'
export type { FailedWrite, StoredWrite, WriteCounts, WriteResult } from './writes.js'
