/** The page of the documentation names all there is, and nothing that is not. */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as sdk from '../src/index.js'

const page = readFileSync(new URL('../../../docs/sdk-typescript.md', import.meta.url), 'utf8')
const source = (name: string): string => readFileSync(new URL(`../src/${name}.ts`, import.meta.url), 'utf8')

/** What the first column of a table names: the table under this heading that begins with this head. */
function named(heading: string, head: string): string[] {
  const [, part = ''] = page.split(`\n## ${heading}\n`)
  const [, table = ''] = part.split(`\n${head}\n`)
  const rows = table.split('\n').slice(1)
  const end = rows.findIndex((row) => !row.startsWith('|'))
  const cells = rows.slice(0, end).map((row) => row.split(' | ')[0])
  return [...cells.join('\n').matchAll(/`(\w+)/g)].map(([, name = '']) => name).sort()
}

/** The members of an interface in the source. */
function membersOf(file: string, name: string): string[] {
  const [, body = ''] = new RegExp(`interface ${name} [^{]*\\{\\n(.*?)\\n\\}`, 's').exec(source(file)) ?? []
  return [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, member = '']) => member).sort()
}

test('every operation is in the table of operations', () => {
  const methods = Object.getOwnPropertyNames(sdk.Memtrace.prototype).filter((name) => name !== 'constructor')
  expect(named('Operations', '| method | does |')).toEqual(methods.sort())
})

test('every error is in the table of errors', () => {
  const errors = Object.keys(sdk).filter((name) => name.endsWith('Error'))
  expect(named('Errors', '| class | when |')).toEqual(errors.sort())
})

test('every option of a client, of a call and of a writer is explained', () => {
  const client = membersOf('options', 'MemtraceOptions')
  const call = [...membersOf('options', 'RequestOptions'), ...membersOf('options', 'CreateOptions')]
  const writer = membersOf('buffered', 'BufferOptions')
  expect([client, call, writer].map(({ length }) => length)).toEqual([5, 5, 6])
  expect(named('The client', '| option | default | |')).toEqual(client)
  expect(named('The client', '| option | |')).toEqual(call.sort())
  expect(named('Many writes', '| option | default | |')).toEqual(writer)
})

test('every member of an error is mentioned', () => {
  const members = [...source('errors').matchAll(/^ {2}readonly (\w+):/gm)].map(([, name = '']) => name)
  expect(members.length).toBeGreaterThan(8)
  expect(members.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})
