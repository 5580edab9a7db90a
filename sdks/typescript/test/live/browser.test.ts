/** The package in a real browser, on a page of another origin than the server's. */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const { CHROMIUM = 'chromium', MEMTRACE_URL = '', MEMTRACE_API_KEY = '' } = process.env
const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
const served = '/node_modules/@memtrace/sdk/dist/'

/** What a page shows once its scripts are done. */
async function shownBy(page: string): Promise<string> {
  const html = page.replaceAll('http://localhost:9100', MEMTRACE_URL).replaceAll('mtk_...', MEMTRACE_API_KEY)
  const site = createServer(({ url = '' }, response) => {
    const file = join(dist, url.replace(served, ''))
    if (url === '/') response.setHeader('content-type', 'text/html').end(html)
    else if (!url.startsWith(served) || !existsSync(file)) response.writeHead(404).end()
    else response.setHeader('content-type', 'text/javascript').end(readFileSync(file))
  })
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  const profile = mkdtempSync(join(tmpdir(), 'memtrace-sdk-'))
  try {
    const { port } = site.address() as AddressInfo
    const settings = ['--headless', '--no-sandbox', '--disable-dev-shm-usage', `--user-data-dir=${profile}`]
    const wait = ['--virtual-time-budget=20000', '--dump-dom', `http://127.0.0.1:${port}/`]
    const { stdout } = await promisify(execFile)(CHROMIUM, [...settings, ...wait], { timeout: 50_000 })
    return /<body>(.*)<\/body>/s.exec(stdout)?.[1]?.trim() ?? stdout
  } finally {
    site.closeAllConnections()
    site.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 })
  }
}

function page(script: string): string {
  const map = JSON.stringify({ imports: { '@memtrace/sdk': `${served}esm/index.js` } })
  return `<script type="importmap">${map}</script><body></body><script type="module">
    import { ConflictError, Memtrace } from '@memtrace/sdk'
    const show = (value) => { document.body.textContent = JSON.stringify(value) }
    try {
      const client = new Memtrace('http://localhost:9100', 'mtk_...')
      ${script}
    } catch (error) {
      show(String(error))
    }
  </script>`
}

test('the page of the documentation shows memories', async () => {
  const text = readFileSync(new URL('../../../../docs/sdk-typescript.md', import.meta.url), 'utf8')
  const [, example = ''] = /^```html\n(.*?)^```$/ms.exec(text) ?? []
  expect(await shownBy(`<body></body>${example}`)).toMatch(/^\d+ memories$/)
})

test('a page writes, reads, and knows what an error says', async () => {
  const shown = await shownBy(
    page(`
      const written = await client.remember('browser', 'Opened a page')
      const error = await client.remember('browser', 'Opened a page').catch((reason) => reason)
      const { memories } = await client.recall('browser')
      const writer = client.buffered()
      await writer.remember('browser', 'Scrolled')
      show([memories[0].id === written.id, error instanceof ConflictError, error.id === written.id, error.requestId.slice(0, 4),
        await writer.close()])`),
  )
  expect(JSON.parse(shown)).toEqual([true, true, true, 'req_', { created: 1, duplicates: 0, failed: 0 }])
})
