import { execFileSync } from 'node:child_process'
import { configDefaults, defineConfig } from 'vitest/config'

// Those under `live` want a server: `scripts/with-server npm test`. Without one they are not there, and without a browser
// that of the browser is not; it is wanted where CI=true.
const { MEMTRACE_URL, CHROMIUM = 'chromium', CI } = process.env

function hasBrowser(): boolean {
  try {
    execFileSync(CHROMIUM, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return CI === 'true'
  }
}

export default defineConfig({
  test: {
    include: MEMTRACE_URL === undefined ? ['test/*.test.ts'] : ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(hasBrowser() ? [] : ['test/live/browser.test.ts'])],
    // Some tests start compilers or a browser.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
