import { defineConfig } from 'vitest/config'

const live = process.env['MEMTRACE_URL'] !== undefined

export default defineConfig({
  test: {
    // Those under `live` want a server: `scripts/with-server npm test`. Without one they are not there.
    include: live ? ['test/**/*.test.ts'] : ['test/*.test.ts'],
    // Some tests start compilers.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
