/** Every example of the documentation is compiled strictly and run, as a user would. */

import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Within the package, so that `@memtrace/sdk` is what was built. */
const folder = join(root, '.examples')
const compiler = join(root, 'node_modules/typescript-native/bin/tsc')

interface Example {
  name: string
  language: string
  text: string
}

const examples = ['README.md', '../../docs/sdk-typescript.md'].flatMap((page) => {
  const blocks = [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  return blocks.map(([, language = '', text = ''], number): Example => {
    return { name: `${basename(page, '.md')}-${number + 1}`, language, text: here(text) }
  })
})
const programs = examples.filter(({ language }) => ['typescript', 'javascript'].includes(language))

/** The example with the server and the key of this test. */
function here(text: string): string {
  const { MEMTRACE_URL = '', MEMTRACE_API_KEY = '' } = process.env
  return text.replaceAll('http://localhost:9100', MEMTRACE_URL).replaceAll('mtk_...', MEMTRACE_API_KEY)
}

function fileOf({ name, language }: Example): string {
  return join(folder, `${name}.${language === 'javascript' ? 'cjs' : 'ts'}`)
}

/** What it prints, with `calls` after it where it exports something. Warnings are errors. */
async function outputOf(example: Example, calls = ''): Promise<string> {
  const url = pathToFileURL(fileOf(example).replace(/\.ts$/, '.js')).href
  const script = `const example = await import(${JSON.stringify(url)})\n${calls}`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
  expect(stderr).toBe('')
  return stdout
}

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const example of programs) writeFileSync(fileOf(example), example.text)
  const options = { target: 'ES2022', module: 'NodeNext', strict: true, types: ['node'], noUnusedLocals: true }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }))
  execFileSync(process.execPath, [compiler, '-p', folder], { stdio: 'inherit' })
}, 30_000)

/** In the order of the pages, each with what it prints. */
const printed: RegExp[] = [
  /^\[2\d{3}-.*Z\] Posted tweet about Go generics\n$/,
  /^You are a crawler\.\n\n## Session Context \(sess_\w+\)[^]*found 3 products[^]*decision: Skip pagination\n/,
  /^\[2\d{3}-.*Z\] Skip pagination\n\[2\d{3}-.*Z\] Crawled https:/,
  /^(a key of Default: admin, read, write\n){3}$/,
  /^0 decisions, more: false\n\[ 'User clicked the settings button' \]\n$/,
  /^true\n$/,
  /^\[ 'Imported order 18', 'Imported order 19' \]\n2 1 \[[^]*status: 'duplicate'/,
  /^2\d{3}-.*Z User clicked the settings button\n$/,
  /^no such agent\n$/,
  /^1\n$/,
  /^1200 stored, 0 were there already\n$/,
  /^\{"taken":2\}\n\{"taken":2\}\n$/,
  /^200 [01] requests in the last hour\n/,
]

const deliverTwice = `
for (let time = 0; time < 2; time++) console.log(JSON.stringify(await example.handler({ orders: ['a', 'b'] })))`
const serve = `
const work = []
const answer = await example.default.fetch(new Request('http://edge.test/page'), process.env, {
  waitUntil: (promise) => work.push(promise),
})
console.log(answer.status, await answer.text())
await Promise.all(work)`

function callsOf({ text }: Example): string {
  if (text.includes('export const handler')) return deliverTwice
  return text.includes('export default') ? serve : ''
}

test('every example is run, save commands and pages', () => {
  expect(programs.length).toBe(printed.length)
  const others = examples.filter((example) => !programs.includes(example)).map(({ language }) => language)
  expect(new Set(others)).toEqual(new Set(['bash', 'html']))
})

test.each(programs.map((example, number) => ({ ...example, expected: printed[number] })))(
  '$name prints what it should',
  async ({ expected, ...example }) => {
    expect(await outputOf(example, callsOf(example))).toMatch(expected ?? '')
  },
)
