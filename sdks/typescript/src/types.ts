/**
 * What goes over the wire, with the wire's names. Fields that a server may leave out are optional; fields that it has
 * beyond these are passed on as they are.
 */

/** What kind of memory it is. */
export type MemoryType = 'episodic' | 'session' | 'decision' | 'entity'

/** A memory type in a filter; any other text is for the server to judge. */
export type MemoryTypeFilter = MemoryType | (string & {})

/** Oldest or newest first. */
export type Order = 'asc' | 'desc'

/** A moment: relative (`30s`, `45m`, `2h`, `7d`, `2w` before now), `now`, ISO 8601, or a `Date`. */
export type When = string | Date

/** Any JSON object. */
export type JsonObject = Record<string, unknown>

/** A stored memory. */
export interface Memory {
  /** Sorts by time. Servers before 0.3 have none. */
  id?: string
  /** When the server took it: RFC 3339, UTC, to the microsecond. */
  time: string
  org_id: string
  agent_id: string
  session_id?: string
  memory_type: MemoryType
  event_type: string
  content: string
  metadata?: JsonObject
  tags?: string[]
  dedup_key?: string
  importance?: number
  parent_id?: string
}

/** A memory to be stored. */
export interface AddMemoryRequest {
  agent_id: string
  content: string
  session_id?: string | undefined
  /** `episodic` if absent. */
  memory_type?: MemoryType | undefined
  /** `general` if absent. */
  event_type?: string | undefined
  metadata?: JsonObject | undefined
  tags?: readonly string[] | undefined
  /** 1 to 256 bytes; by default made from agent, event type and content. */
  dedup_key?: string | undefined
  /** 0.0 to 1.0. */
  importance?: number | undefined
  parent_id?: string | undefined
}

/** What became of one memory of a batch. A duplicate has the id of the memory that is there already. */
export interface BatchEntry {
  status: 'created' | 'duplicate'
  id: string
}

/** The memories of a batch that were created, in order, and what became of each that was sent. */
export type AddedMemories = Memory[] & {
  /** How many were created. */
  readonly count: number
  /** How many were duplicates; undefined from servers before 0.3. */
  readonly duplicates: number | undefined
  /** One entry for each memory that was sent, in order; undefined from servers before 0.3. */
  readonly results: readonly BatchEntry[] | undefined
}

/** Filters and paging of a list of memories. */
export interface ListOptions {
  agent_id?: string | undefined
  session_id?: string | undefined
  memory_type?: MemoryTypeFilter | undefined
  event_type?: string | undefined
  /** All must be there. A string is comma separated. */
  tags?: string | readonly string[] | undefined
  since?: When | undefined
  until?: When | undefined
  /** Size of a page: 1 to 1,000, 100 if absent. */
  limit?: number | undefined
  offset?: number | undefined
  order?: Order | undefined
  cursor?: string | undefined
}

/** What every page says of what follows it. */
export interface Page {
  count: number
  has_more?: boolean
  next_cursor?: string
}

/** One page of memories. */
export interface MemoryList extends Page {
  memories: Memory[]
  has_more: boolean
}

/** A structured search; all that is given must hold. */
export interface SearchQuery {
  agent_id?: string | undefined
  session_id?: string | undefined
  /** Any of these. */
  memory_types?: readonly MemoryTypeFilter[] | undefined
  /** Any of these. */
  event_types?: readonly string[] | undefined
  /** All of these. */
  tags?: readonly string[] | undefined
  /** A literal substring, case-sensitive. */
  content_contains?: string | undefined
  since?: When | undefined
  until?: When | undefined
  min_importance?: number | undefined
  /** Size of a page: 1 to 1,000, 50 if absent. */
  limit?: number | undefined
  order?: Order | undefined
  cursor?: string | undefined
}

/** One page of what was found. */
export interface SearchResult extends Page {
  results: Memory[]
  query_time_ms: number
}

/** A registered agent. */
export interface Agent {
  id: string
  org_id: string
  name: string
  description?: string
  config?: JsonObject
  created_at: string
  last_active_at?: string
}

/** An agent to be registered. */
export interface RegisterAgentRequest {
  name: string
  description?: string | undefined
  config?: JsonObject | undefined
}

/** One page of agents, the newest first. */
export interface AgentList extends Page {
  agents: Agent[]
}

/** Paging alone. */
export interface PageOptions {
  limit?: number | undefined
  cursor?: string | undefined
}

/** What an agent did, counted. */
export interface AgentStats {
  agent_id: string
  memory_count: number
  memories_24h: number
  errors_24h: number
  session_count: number
  active_sessions: number
  last_active_at?: string
  memory_types: Record<string, number>
}

export type SessionStatus = 'active' | 'closed'

/** A registered session. */
export interface Session {
  id: string
  org_id: string
  agent_id: string
  status: SessionStatus
  metadata?: JsonObject
  created_at: string
  updated_at: string
  closed_at?: string
}

/** A session to be opened. */
export interface CreateSessionRequest {
  agent_id: string
  metadata?: JsonObject | undefined
}

/** What changes in a session. Metadata is merged; a member that is `null` is taken out. */
export interface UpdateSessionRequest {
  status?: SessionStatus | undefined
  metadata?: JsonObject | undefined
}

/** Filters and paging of a list of sessions. */
export interface ListSessionsOptions extends PageOptions {
  agent_id?: string | undefined
  status?: SessionStatus | undefined
}

/** One page of sessions, the newest first. */
export interface SessionList extends Page {
  sessions: Session[]
}

/** What a context holds. */
export interface ContextOptions {
  /** `24h` if absent. */
  since?: When | undefined
  include_types?: readonly MemoryTypeFilter[] | undefined
  /** The context is never estimated above it. */
  max_tokens?: number | undefined
}

/** A session as markdown for a prompt. */
export interface SessionContext {
  session_id: string
  context: string
  /** How many memories are shown. */
  memory_count: number
  /** How many were considered and are not shown. */
  omitted?: number
  truncated?: boolean
  /** An estimate from above. */
  tokens?: number
}

/** What a deletion covers, how far it is, and what remains. */
export interface Deletion {
  deletion_id: string
  org_id: string
  requested_at: string
  state: 'pending' | 'removed' | 'closed'
  memory_id?: string
  session_id?: string
  agent_ids?: string[]
  before?: string
  removed: { journal: number; store: number }
  remains: { where: string; until: string | null; why: string }[]
}

/** Deletions, the newest first. */
export interface DeletionList extends Page {
  deletions: Deletion[]
}

/** What the deletion of a session did; `memories` is `null` where they were kept. */
export interface SessionDeletion {
  session_id: string
  had_record: boolean
  memories: Deletion | null
}

/** Whose key it is. */
export interface Me {
  org_id: string
  org_name: string
  key_name: string
  permissions: string[]
  has_binding: boolean
  expires_at?: string
}
