// The same in CommonJS.

import sdk = require('@memtrace/sdk')

export async function use(client: sdk.Memtrace): Promise<sdk.Memory[]> {
  const { memories } = await client.recall('agent')
  // @ts-expect-error text is needed
  await client.remember('agent')
  return memories
}
