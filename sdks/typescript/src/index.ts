/** Client for Memtrace. */

export { BufferedWriter, type BufferOptions, type BufferReport, type FailedMemory } from './buffered.js'
export { Memtrace } from './client.js'
export {
  AuthenticationError,
  BufferedWriteError,
  ConflictError,
  ConnectionError,
  InvalidResponseError,
  MemtraceError,
  NoArcInstanceError,
  NotFoundError,
  RateLimitError,
  TimeoutError,
} from './errors.js'
export type { ClientOptions, ConnectionOptions, CreateOptions, RequestOptions, Sleep } from './options.js'
export type * from './types.js'
