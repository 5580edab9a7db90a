/** A server on a socket of its own that does what a test tells it to. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'

/** What is done with one request. The body was read. */
export type Deed = (response: ServerResponse, request: Seen) => void

/** A request that came. */
export interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** Starts one that does these deeds in order, the last of them again and again. */
export async function faulty(...deeds: Deed[]): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const one = { method, url, headers, body }
      const deed = deeds[Math.min(seen.length, deeds.length - 1)]
      seen.push(one)
      deed?.(response, one)
    })
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

/** Answers with JSON. */
export function answer(status: number, body: unknown, headers: Record<string, string> = {}): Deed {
  return (response) => response.writeHead(status, headers).end(JSON.stringify(body))
}

/** Breaks the connection without a word. */
export const reset: Deed = (response) => {
  response.socket?.destroy()
}

/** Breaks it in the midst of the answer. */
export const cut: Deed = (response) => {
  response.writeHead(200, { 'content-length': '1000' })
  response.write('{"memories":', () => response.socket?.destroy())
}

/** Never answers. */
export const silence: Deed = () => undefined

/** Begins an answer and never ends it. */
export const stall: Deed = (response) => {
  response.writeHead(200, { 'content-length': '1000' })
  response.write('{"memories":')
}

/** Stores every memory of a batch. */
export const store: Deed = (response, { body }) => {
  const { memories } = JSON.parse(body) as { memories: { content: string }[] }
  const results = memories.map(({ content }) => ({ status: 'created', id: `mem_${content}` }))
  response.writeHead(201).end(JSON.stringify({ memories, count: memories.length, duplicates: 0, results }))
}
