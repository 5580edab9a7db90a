package sdk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The types of memories.
const (
	MemoryTypeEpisodic = "episodic"
	MemoryTypeSession  = "session"
	MemoryTypeDecision = "decision"
	MemoryTypeEntity   = "entity"
)

// The orders of lists and searches, by time.
const (
	OrderDesc = "desc"
	OrderAsc  = "asc"
)

// Memory is a stored memory. ID is empty where the server is older than 0.3.
type Memory struct {
	ID         string         `json:"id,omitempty"`
	Time       time.Time      `json:"time"`
	OrgID      string         `json:"org_id"`
	AgentID    string         `json:"agent_id"`
	SessionID  string         `json:"session_id,omitempty"`
	MemoryType string         `json:"memory_type"`
	EventType  string         `json:"event_type"`
	Content    string         `json:"content"`
	Metadata   map[string]any `json:"metadata,omitempty"`
	Tags       []string       `json:"tags,omitempty"`
	DedupKey   string         `json:"dedup_key,omitempty"`
	Importance float64        `json:"importance,omitempty"`
	ParentID   string         `json:"parent_id,omitempty"`
}

// AddMemoryRequest is a memory to be stored. AgentID and Content are required; MemoryType is episodic and EventType
// general where they are empty.
type AddMemoryRequest struct {
	AgentID    string         `json:"agent_id"`
	SessionID  string         `json:"session_id,omitempty"`
	MemoryType string         `json:"memory_type,omitempty"`
	EventType  string         `json:"event_type,omitempty"`
	Content    string         `json:"content"`
	Metadata   map[string]any `json:"metadata,omitempty"`
	Tags       []string       `json:"tags,omitempty"`
	DedupKey   string         `json:"dedup_key,omitempty"`
	Importance float64        `json:"importance,omitempty"`
	ParentID   string         `json:"parent_id,omitempty"`

	// IdempotencyKey makes equal requests the same one, also those of other processes, for a day: the second is
	// answered as the first was. Without it each call has a key of its own. It does not count in a batch.
	IdempotencyKey string `json:"-"`
}

// ListOptions narrow a list of memories and say which page. A memory must have all of the Tags. Since and Until are
// relative ("2h", "7d"), "now", or RFC 3339.
type ListOptions struct {
	AgentID    string
	SessionID  string
	MemoryType string
	EventType  string
	Tags       string // comma separated
	Since      string
	Until      string
	Limit      int // of a page: 1 to 1,000; 0 is the server's 100
	Offset     int
	Order      string
	Cursor     string // the NextCursor of the page before
}

// MemoryList is a page of memories. NextCursor is empty on the last page, and where the server is older than 0.3.
type MemoryList struct {
	Memories   []Memory `json:"memories"`
	Count      int      `json:"count"`
	HasMore    bool     `json:"has_more"`
	NextCursor string   `json:"next_cursor,omitempty"`
}

// SearchQuery says which memories to find: those for which all holds that is set. Of MemoryTypes and EventTypes a
// memory has one, of Tags all. ContentContains is found literally, in its case.
type SearchQuery struct {
	AgentID         string   `json:"agent_id,omitempty"`
	SessionID       string   `json:"session_id,omitempty"`
	MemoryTypes     []string `json:"memory_types,omitempty"`
	EventTypes      []string `json:"event_types,omitempty"`
	Tags            []string `json:"tags,omitempty"`
	ContentContains string   `json:"content_contains,omitempty"`
	Since           string   `json:"since,omitempty"`
	Until           string   `json:"until,omitempty"`
	MinImportance   float64  `json:"min_importance,omitempty"`
	Limit           int      `json:"limit,omitempty"` // of a page: 1 to 1,000; 0 is the server's 50
	Order           string   `json:"order,omitempty"`
	Cursor          string   `json:"cursor,omitempty"` // the NextCursor of the page before
}

// SearchResult is a page of what a search found. Servers older than 0.3 say nothing of further pages.
type SearchResult struct {
	Results     []Memory `json:"results"`
	Count       int      `json:"count"`
	QueryTimeMS int64    `json:"query_time_ms"`
	HasMore     bool     `json:"has_more"`
	NextCursor  string   `json:"next_cursor,omitempty"`
}

// AddBatchRequest holds up to 1,000 memories to be stored together.
type AddBatchRequest struct {
	Memories []AddMemoryRequest `json:"memories"`

	// IdempotencyKey makes equal requests the same one, as in AddMemoryRequest.
	IdempotencyKey string `json:"-"`
}

// AddedMemories is what became of memories that were sent together: Memories holds those that were created, Results has
// one entry for each that was sent, in order. Servers older than 0.3 send no Results.
type AddedMemories struct {
	Memories   []Memory     `json:"memories"`
	Count      int          `json:"count"`
	Duplicates int          `json:"duplicates"`
	Results    []BatchEntry `json:"results,omitempty"`
}

// BatchEntry is what became of one memory: Status is "created", or "duplicate" with the ID of the one that is there.
type BatchEntry struct {
	Status string `json:"status"`
	ID     string `json:"id"`
}

// Remember stores an episodic memory. An equal one within a day is ErrDuplicate.
func (c *Client) Remember(ctx context.Context, agentID, content string) (*Memory, error) {
	return c.AddMemory(ctx, &AddMemoryRequest{
		AgentID:    agentID,
		MemoryType: MemoryTypeEpisodic,
		EventType:  "general",
		Content:    content,
	})
}

// Recall returns the newest hundred memories of an agent since a time; "" is "24h".
func (c *Client) Recall(ctx context.Context, agentID, since string) (*MemoryList, error) {
	if since == "" {
		since = "24h"
	}
	return c.ListMemories(ctx, &ListOptions{AgentID: agentID, Since: since, Order: OrderDesc, Limit: 100})
}

// Decide stores a decision; its reasoning is the member "reasoning" of the metadata.
func (c *Client) Decide(ctx context.Context, agentID, decision, reasoning string) (*Memory, error) {
	return c.AddMemory(ctx, &AddMemoryRequest{
		AgentID:    agentID,
		MemoryType: MemoryTypeDecision,
		EventType:  "decision",
		Content:    decision,
		Metadata:   map[string]any{"reasoning": reasoning},
	})
}

// AddMemory stores one memory. When it returns without an error the memory is durable and the next read has it.
func (c *Client) AddMemory(ctx context.Context, request *AddMemoryRequest) (*Memory, error) {
	if request == nil {
		return nil, refused("", "there is no memory")
	}
	return create[Memory](ctx, c, "/memories", request, request.IdempotencyKey)
}

// AddMemories stores up to 1,000 memories and returns those that were created, duplicates left out. If one is
// invalid, none is stored. AddBatch tells of each what became of it.
func (c *Client) AddMemories(ctx context.Context, memories []*AddMemoryRequest) ([]Memory, error) {
	batch := &AddBatchRequest{Memories: make([]AddMemoryRequest, len(memories))}
	for i, memory := range memories {
		if memory == nil {
			return nil, refused(fmt.Sprintf("memories[%d]", i), "there is no memory")
		}
		batch.Memories[i] = *memory
	}
	added, err := c.AddBatch(ctx, batch)
	if err != nil {
		return nil, err
	}
	return added.Memories, nil
}

// AddBatch stores up to 1,000 memories. All are checked before the first is stored; an invalid one is an
// ErrInvalidRequest whose Index names it. Duplicates are no error.
func (c *Client) AddBatch(ctx context.Context, request *AddBatchRequest) (*AddedMemories, error) {
	if request == nil || len(request.Memories) == 0 {
		return nil, refused("memories", "there are no memories")
	}
	return create[AddedMemories](ctx, c, "/memories", request, request.IdempotencyKey)
}

// ListMemories returns a page of memories, the newest first. IterMemories goes through all pages.
func (c *Client) ListMemories(ctx context.Context, options *ListOptions) (*MemoryList, error) {
	return get[MemoryList](ctx, c, "/memories", options.query())
}

// GetMemory finds a memory by its id, or the newest one of a dedup key. ErrNotFound where there is none.
func (c *Client) GetMemory(ctx context.Context, memoryID string) (*Memory, error) {
	id, err := segment("memory_id", memoryID)
	if err != nil {
		return nil, err
	}
	return get[Memory](ctx, c, "/memories/"+id, nil)
}

// DeleteMemory deletes a memory for good, found as GetMemory finds it. No read that begins afterwards shows it.
// Where the answer to a first attempt was lost, the second finds nothing more and is ErrNotFound.
func (c *Client) DeleteMemory(ctx context.Context, memoryID string) (*Deletion, error) {
	id, err := segment("memory_id", memoryID)
	if err != nil {
		return nil, err
	}
	return exchange[Deletion](ctx, c, &call{method: http.MethodDelete, path: "/memories/" + id})
}

// SearchMemories returns a page of what it finds, the newest first. IterSearch goes through all pages.
func (c *Client) SearchMemories(ctx context.Context, query *SearchQuery) (*SearchResult, error) {
	if query == nil {
		query = &SearchQuery{}
	}
	return send[SearchResult](ctx, c, http.MethodPost, "/search", query)
}

func (o *ListOptions) query() url.Values {
	query := url.Values{}
	if o == nil {
		return query
	}
	set(query, "agent_id", o.AgentID)
	set(query, "session_id", o.SessionID)
	set(query, "memory_type", o.MemoryType)
	set(query, "event_type", o.EventType)
	set(query, "tags", o.Tags)
	set(query, "since", o.Since)
	set(query, "until", o.Until)
	setNumber(query, "limit", o.Limit)
	setNumber(query, "offset", o.Offset)
	set(query, "order", o.Order)
	set(query, "cursor", o.Cursor)
	return query
}

func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

func setNumber(query url.Values, name string, value int) {
	if value != 0 {
		query.Set(name, strconv.Itoa(value))
	}
}
