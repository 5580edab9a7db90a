package sdk

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// The states of a session.
const (
	SessionActive = "active"
	SessionClosed = "closed"
)

// Session is a registered session. ClosedAt is nil unless it is closed.
type Session struct {
	ID        string         `json:"id"`
	OrgID     string         `json:"org_id"`
	AgentID   string         `json:"agent_id"`
	Status    string         `json:"status"`
	Metadata  map[string]any `json:"metadata,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	ClosedAt  *time.Time     `json:"closed_at,omitempty"`
}

// CreateSessionRequest is a session to be opened; AgentID is required and need not be registered.
type CreateSessionRequest struct {
	AgentID  string         `json:"agent_id"`
	Metadata map[string]any `json:"metadata,omitempty"`

	// IdempotencyKey makes equal requests the same one, as in AddMemoryRequest.
	IdempotencyKey string `json:"-"`
}

// UpdateSessionRequest changes a session. Metadata is merged into what is there; a member that is nil is taken out.
type UpdateSessionRequest struct {
	Status   string         `json:"status,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

// SessionListOptions narrow a list of sessions and say which page.
type SessionListOptions struct {
	AgentID string
	Status  string
	Limit   int
	Cursor  string
}

// SessionList is a page of sessions, the newest first. Servers older than 0.3 send all of them.
type SessionList struct {
	Sessions   []Session `json:"sessions"`
	Count      int       `json:"count"`
	HasMore    bool      `json:"has_more"`
	NextCursor string    `json:"next_cursor,omitempty"`
}

// ContextOptions say what goes into a session's context: Since is "24h" where it is empty, IncludeTypes all memory
// types, and MaxTokens 0 no budget.
type ContextOptions struct {
	Since        string   `json:"since,omitempty"`
	IncludeTypes []string `json:"include_types,omitempty"`
	MaxTokens    int      `json:"max_tokens,omitempty"`
}

// SessionContext is a session as markdown for a prompt. MemoryCount memories are shown, Omitted ones are not;
// Truncated says whether anything is missing. Tokens is an estimate on the safe side. Servers older than 0.3 send the
// first three alone.
type SessionContext struct {
	SessionID   string `json:"session_id"`
	Context     string `json:"context"`
	MemoryCount int    `json:"memory_count"`
	Omitted     int    `json:"omitted"`
	Truncated   bool   `json:"truncated"`
	Tokens      int    `json:"tokens"`
}

// CreateSession opens a session. Any session id will do in a memory; registering makes one, and keeps a status and
// metadata.
func (c *Client) CreateSession(ctx context.Context, request *CreateSessionRequest) (*Session, error) {
	if request == nil {
		return nil, refused("", "there is no session")
	}
	return create[Session](ctx, c, "/sessions", request, request.IdempotencyKey)
}

// GetSession finds a registered session.
func (c *Client) GetSession(ctx context.Context, sessionID string) (*Session, error) {
	id, err := segment("session_id", sessionID)
	if err != nil {
		return nil, err
	}
	return get[Session](ctx, c, "/sessions/"+id, nil)
}

// ListSessions returns the first page of an agent's sessions; "" is every agent. IterSessions goes through all pages.
func (c *Client) ListSessions(ctx context.Context, agentID string) (*SessionList, error) {
	return c.ListSessionsPage(ctx, &SessionListOptions{AgentID: agentID})
}

// ListSessionsPage returns one page of the sessions.
func (c *Client) ListSessionsPage(ctx context.Context, options *SessionListOptions) (*SessionList, error) {
	query := url.Values{}
	if options != nil {
		set(query, "agent_id", options.AgentID)
		set(query, "status", options.Status)
		setNumber(query, "limit", options.Limit)
		set(query, "cursor", options.Cursor)
	}
	return get[SessionList](ctx, c, "/sessions", query)
}

// UpdateSession sets the status and merges metadata.
func (c *Client) UpdateSession(ctx context.Context, sessionID string, request *UpdateSessionRequest) (*Session, error) {
	id, err := segment("session_id", sessionID)
	if err != nil {
		return nil, err
	}
	if request == nil {
		request = &UpdateSessionRequest{}
	}
	return send[Session](ctx, c, http.MethodPut, "/sessions/"+id, request)
}

// CloseSession sets the status to closed. Closing again changes nothing.
func (c *Client) CloseSession(ctx context.Context, sessionID string) (*Session, error) {
	return c.UpdateSession(ctx, sessionID, &UpdateSessionRequest{Status: SessionClosed})
}

// GetSessionMemories returns a page of a session's memories, of all time where nothing else is asked. A SessionID in
// the options does not count.
func (c *Client) GetSessionMemories(ctx context.Context, sessionID string, options *ListOptions) (*MemoryList, error) {
	id, err := segment("session_id", sessionID)
	if err != nil {
		return nil, err
	}
	query := options.query()
	query.Del("session_id")
	return get[MemoryList](ctx, c, "/sessions/"+id+"/memories", query)
}

// GetSessionContext returns the session as markdown for a prompt. The session need not be registered.
func (c *Client) GetSessionContext(ctx context.Context, sessionID string, options *ContextOptions) (*SessionContext, error) {
	id, err := segment("session_id", sessionID)
	if err != nil {
		return nil, err
	}
	if options == nil {
		options = &ContextOptions{}
	}
	return send[SessionContext](ctx, c, http.MethodPost, "/sessions/"+id+"/context", options)
}
