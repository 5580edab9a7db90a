/** The client: every operation of the API as a method. */

import { type BatchAnswer, batchOf } from './answer.js'
import { BufferedWriter, type BufferOptions } from './buffered.js'
import {
  type MemtraceOptions,
  type ConnectionOptions,
  type CreateOptions,
  type RequestOptions,
  settingsFrom,
} from './options.js'
import { iterate } from './paging.js'
import { decided, type MemoryFields, remembered } from './shortcuts.js'
import { type Call, Transport } from './transport.js'
import type * as wire from './types.js'

/**
 * A client of one Memtrace server with one API key, which decides the organization.
 *
 * Holds no connections of its own and needs no closing; one client serves any number of calls at once. Every method
 * rejects with a `MemtraceError`, or with the reason of the signal that ended it.
 */
export class Memtrace {
  readonly #transport: Transport

  /** Without URL or key, `MEMTRACE_URL` and `MEMTRACE_API_KEY` are taken from the environment. */
  constructor(baseUrl?: string, apiKey?: string, options?: MemtraceOptions)
  constructor(options: ConnectionOptions)
  constructor(first?: string | ConnectionOptions, apiKey?: string, options: MemtraceOptions = {}) {
    const all = typeof first === 'object' ? first : { ...options, baseUrl: first, apiKey }
    this.#transport = new Transport(settingsFrom(all))
  }

  // --- The three that agents need most

  /** Stores an episodic memory. Rejects with a `ConflictError` where an equal one is there. */
  remember(agentId: string, content: string, fields?: MemoryFields, options?: CreateOptions): Promise<wire.Memory> {
    return this.addMemory(remembered(agentId, content, fields), options)
  }

  /** An agent's newest memories, at most 100. */
  recall(
    agentId: string,
    since: wire.When = '24h',
    filter: Omit<wire.ListOptions, 'agent_id' | 'since'> = {},
    options?: RequestOptions,
  ): Promise<wire.MemoryList> {
    return this.listMemories({ agent_id: agentId, since, order: 'desc', limit: 100, ...filter }, options)
  }

  /** Stores a decision, with its reasoning in the metadata. */
  decide(
    agentId: string,
    decision: string,
    reasoning: string,
    fields?: MemoryFields,
    options?: CreateOptions,
  ): Promise<wire.Memory> {
    return this.addMemory(decided(agentId, decision, reasoning, fields), options)
  }

  // --- Memories

  /** Stores a memory. Rejects with a `ConflictError` where an equal one is there; its `id` names that one. */
  addMemory(memory: wire.AddMemoryRequest, options?: CreateOptions): Promise<wire.Memory> {
    return this.#send('POST', ['memories'], { body: memory, creates: true, options })
  }

  /**
   * Stores up to 1,000 memories. One that is wrong refuses all of them; duplicates are left out and counted.
   *
   * The result is the array of those created, which also has `count`, `duplicates` and `results`.
   */
  addMemories(memories: readonly wire.AddMemoryRequest[], options?: CreateOptions): Promise<wire.AddedMemories> {
    return this.#sendBatch({ memories }, options)
  }

  /** One memory by its id or dedup key. */
  getMemory(memoryId: string, options?: RequestOptions): Promise<wire.Memory> {
    return this.#send('GET', ['memories', memoryId], { options })
  }

  /** Deletes one memory for good, by its id or dedup key; resolves with a receipt. */
  deleteMemory(memoryId: string, options?: RequestOptions): Promise<wire.Deletion> {
    return this.#send('DELETE', ['memories', memoryId], { options })
  }

  /** One page of memories, the newest first unless `order` says otherwise. */
  listMemories(list: wire.ListOptions = {}, options?: RequestOptions): Promise<wire.MemoryList> {
    return this.#list(['memories'], list, options)
  }

  /** All memories that fit, page by page; `limit` is the size of a page. */
  iterMemories(list: wire.ListOptions = {}, options?: RequestOptions): AsyncGenerator<wire.Memory, void, undefined> {
    return this.#iterateMemories(['memories'], list, options)
  }

  /** One page of what fits a structured search. */
  searchMemories(query: wire.SearchQuery = {}, options?: RequestOptions): Promise<wire.SearchResult> {
    return this.#send('POST', ['search'], { body: query, lists: 'results', options })
  }

  /** All that fits a structured search, page by page. */
  iterSearch(query: wire.SearchQuery = {}, options?: RequestOptions): AsyncGenerator<wire.Memory, void, undefined> {
    return iterate({
      fetch: (position) => this.searchMemories({ ...query, ...position }, options),
      items: (page) => page.results,
      from: { cursor: query.cursor, limit: query.limit },
      byOffset: false,
    })
  }

  /** A writer that takes memories at once and stores them in batches, in the background. Close it. */
  buffered(options: BufferOptions = {}): BufferedWriter {
    return new BufferedWriter((json, call) => this.#sendBatch(json, call), options)
  }

  // --- Agents

  /** Registers an agent, which is not needed for writing. Rejects with a `ConflictError` where the name is taken. */
  registerAgent(agent: wire.RegisterAgentRequest, options?: CreateOptions): Promise<wire.Agent> {
    return this.#send('POST', ['agents'], { body: agent, creates: true, options })
  }

  /** One page of registered agents, the newest first. */
  listAgents(page: wire.PageOptions = {}, options?: RequestOptions): Promise<wire.AgentList> {
    return this.#send('GET', ['agents'], { query: page, lists: 'agents', options })
  }

  /** All registered agents, page by page. */
  iterAgents(page: wire.PageOptions = {}, options?: RequestOptions): AsyncGenerator<wire.Agent, void, undefined> {
    return iterate({
      fetch: (position) => this.listAgents({ ...page, ...position }, options),
      items: (one) => one.agents,
      from: { cursor: page.cursor, limit: page.limit },
      byOffset: false,
    })
  }

  /** A registered agent by its id or name. */
  getAgent(agentId: string, options?: RequestOptions): Promise<wire.Agent> {
    return this.#send('GET', ['agents', agentId], { options })
  }

  /** What an agent did, counted over all time. It need not be registered. */
  getAgentStats(agentId: string, options?: RequestOptions): Promise<wire.AgentStats> {
    return this.#send('GET', ['agents', agentId, 'stats'], { options })
  }

  /** One page of what was written under an agent's name or id; the last 24 hours if `since` is absent. */
  getAgentMemories(agentId: string, list: wire.ListOptions = {}, options?: RequestOptions): Promise<wire.MemoryList> {
    return this.#list(['agents', agentId, 'memories'], { ...list, agent_id: undefined }, options)
  }

  /** All of what was written under an agent's name or id, page by page; the last 24 hours if `since` is absent. */
  iterAgentMemories(
    agentId: string,
    list: wire.ListOptions = {},
    options?: RequestOptions,
  ): AsyncGenerator<wire.Memory, void, undefined> {
    const path = ['agents', agentId, 'memories']
    return this.#iterateMemories(path, { ...list, agent_id: undefined }, options)
  }

  /** Forgets a registered agent; its sessions and memories stay. */
  deleteAgent(agentId: string, options?: RequestOptions): Promise<void> {
    return this.#send('DELETE', ['agents', agentId], { isEmpty: true, options })
  }

  // --- Sessions

  /** Opens a session. */
  createSession(session: wire.CreateSessionRequest, options?: CreateOptions): Promise<wire.Session> {
    return this.#send('POST', ['sessions'], { body: session, creates: true, options })
  }

  /** A registered session. */
  getSession(sessionId: string, options?: RequestOptions): Promise<wire.Session> {
    return this.#send('GET', ['sessions', sessionId], { options })
  }

  /** One page of sessions, the newest first; a string is the agent whose sessions they are. */
  listSessions(list: string | wire.ListSessionsOptions = {}, options?: RequestOptions): Promise<wire.SessionList> {
    return this.#send('GET', ['sessions'], { query: sessionsOf(list), lists: 'sessions', options })
  }

  /** All sessions, page by page; a string is the agent whose sessions they are. */
  iterSessions(
    list: string | wire.ListSessionsOptions = {},
    options?: RequestOptions,
  ): AsyncGenerator<wire.Session, void, undefined> {
    const query = sessionsOf(list)
    return iterate({
      fetch: (position) => this.listSessions({ ...query, ...position }, options),
      items: (page) => page.sessions,
      from: { cursor: query.cursor, limit: query.limit },
      byOffset: false,
    })
  }

  /** Changes status or metadata of a session; metadata is merged. */
  updateSession(sessionId: string, change: wire.UpdateSessionRequest, options?: RequestOptions): Promise<wire.Session> {
    return this.#send('PUT', ['sessions', sessionId], { body: change, options })
  }

  /** Closes a session. */
  closeSession(sessionId: string, options?: RequestOptions): Promise<wire.Session> {
    return this.updateSession(sessionId, { status: 'closed' }, options)
  }

  /** Deletes the record of a session, and its memories only where `memories` is true. */
  deleteSession(
    sessionId: string,
    what: { memories?: boolean | undefined } = {},
    options?: RequestOptions,
  ): Promise<wire.SessionDeletion> {
    const query = what.memories ? { memories: 'true' } : undefined
    return this.#send('DELETE', ['sessions', sessionId], { query, options })
  }

  /** One page of a session's memories, over all time. */
  getSessionMemories(
    sessionId: string,
    list: wire.ListOptions = {},
    options?: RequestOptions,
  ): Promise<wire.MemoryList> {
    return this.#list(['sessions', sessionId, 'memories'], { ...list, session_id: undefined }, options)
  }

  /** All of a session's memories, page by page. */
  iterSessionMemories(
    sessionId: string,
    list: wire.ListOptions = {},
    options?: RequestOptions,
  ): AsyncGenerator<wire.Memory, void, undefined> {
    const path = ['sessions', sessionId, 'memories']
    return this.#iterateMemories(path, { ...list, session_id: undefined }, options)
  }

  /** A session as markdown for a prompt. */
  getSessionContext(
    sessionId: string,
    context: wire.ContextOptions = {},
    options?: RequestOptions,
  ): Promise<wire.SessionContext> {
    return this.#send('POST', ['sessions', sessionId, 'context'], { body: context, options })
  }

  // --- Deletions, and the key itself

  /** How far a deletion is. */
  getDeletion(deletionId: string, options?: RequestOptions): Promise<wire.Deletion> {
    return this.#send('GET', ['deletions', deletionId], { options })
  }

  /** Deletions, the newest first. */
  listDeletions(list: { limit?: number | undefined } = {}, options?: RequestOptions): Promise<wire.DeletionList> {
    return this.#send('GET', ['deletions'], { query: list, lists: 'deletions', options })
  }

  /** Whose key this is. */
  me(options?: RequestOptions): Promise<wire.Me> {
    return this.#send('GET', ['me'], { options })
  }

  #send<T>(method: Call['method'], path: string[], rest: Omit<Call, 'method' | 'path'>): Promise<T> {
    return this.#transport.send<T>({ method, path: ['api', 'v1', ...path], ...rest })
  }

  async #sendBatch(body: object | string, options?: CreateOptions): Promise<wire.AddedMemories> {
    return batchOf(
      await this.#send<BatchAnswer>('POST', ['memories'], { body, creates: true, lists: 'memories', options }),
    )
  }

  #list(path: string[], { tags, ...list }: wire.ListOptions, options?: RequestOptions): Promise<wire.MemoryList> {
    const query = { ...list, tags: tags === undefined ? undefined : String(tags) }
    return this.#send('GET', path, { query, lists: 'memories', options })
  }

  #iterateMemories(
    path: string[],
    list: wire.ListOptions,
    options?: RequestOptions,
  ): AsyncGenerator<wire.Memory, void, undefined> {
    return iterate({
      fetch: (position) => this.#list(path, { ...list, ...position }, options),
      items: (page) => page.memories,
      from: { cursor: list.cursor, offset: list.offset, limit: list.limit },
      byOffset: true,
    })
  }
}

function sessionsOf(list: string | wire.ListSessionsOptions): wire.ListSessionsOptions {
  return typeof list === 'string' ? { agent_id: list } : list
}
