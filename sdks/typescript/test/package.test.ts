/** What npm would publish works for those who import it, those who require it, and their compilers. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { expect, test } from 'vitest'
import * as source from '../src/index.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Record<
  string,
  unknown
>

function nodeSays(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
}

const pages = ['../README.md', '../../../docs/sdk-typescript.md']
const names = Object.keys(source).sort()
const tell = 'console.log(JSON.stringify([Object.keys(sdk).sort(), new sdk.MemtraceError("x") instanceof Error]))'

test('import finds everything', () => {
  const script = `import * as sdk from '@memtrace/sdk'; ${tell}`
  expect(JSON.parse(nodeSays('--input-type=module', '--eval', script))).toEqual([names, true])
})

test('require finds everything', () => {
  const script = `const sdk = require('@memtrace/sdk'); ${tell}`
  expect(JSON.parse(nodeSays('--input-type=commonjs', '--eval', script))).toEqual([names, true])
})

test('what npm packs can be installed, and is found by name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'memtrace-sdk-'))
  const npm = (cwd: string, ...args: string[]): string =>
    execFileSync('npm', [...args, '--ignore-scripts', '--offline', '--loglevel=error'], { cwd, encoding: 'utf8' })
  try {
    npm(root, 'pack', '--pack-destination', folder)
    const [archive = ''] = readdirSync(folder)
    for (const page of pages) expect(readFileSync(new URL(page, import.meta.url), 'utf8')).toContain(`/${archive}\n`)
    writeFileSync(join(folder, 'package.json'), '{}')
    npm(folder, 'install', `./${archive}`)
    const script = `import('@memtrace/sdk').then((sdk) => ${tell})`
    const said = execFileSync(process.execPath, ['--eval', script], { cwd: folder, encoding: 'utf8' })
    expect(JSON.parse(said)).toEqual([names, true])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the package is well-formed', async () => {
  const { messages } = await publint({ pkgDir: root, strict: true })
  expect(messages.map((message) => formatMessage(message, manifest))).toEqual([])
})

test('there are no dependencies', () => {
  expect(manifest['dependencies']).toBeUndefined()
  expect(manifest['peerDependencies']).toBeUndefined()
})

test('the lock file names no host', () => {
  const lock = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')
  const { packages } = JSON.parse(lock) as { packages: Record<string, { resolved?: string }> }
  expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([])
})

test.each([
  ['import in Node', 'typescript-native', 'node-import'],
  ['import in a browser', 'typescript-native', 'browser'],
  ['require in Node, with TypeScript 5', 'typescript', 'node-require'],
])('there are types for %s', (_, compiler, settings) => {
  expect(nodeSays(`node_modules/${compiler}/bin/tsc`, '--project', `test/consumers/${settings}.json`)).toBe('')
})
