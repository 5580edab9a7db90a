/** Keys that nobody else makes. */

/**
 * A new idempotency key.
 *
 * Node 18 and pages without TLS lack parts of Web Crypto. The key is no secret, so another source of chance will do.
 */
export function uniqueKey(): string {
  const { crypto } = globalThis as { crypto?: Crypto }
  const bytes = new Uint8Array(16)
  if (crypto === undefined) fill(bytes)
  else crypto.getRandomValues(bytes)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function fill(bytes: Uint8Array): void {
  for (let index = 0; index < bytes.length; index++) bytes[index] = Math.floor(Math.random() * 256)
}
