package sdk

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Agent is a registered agent. LastActiveAt is nil until a memory of it was delivered to the store.
type Agent struct {
	ID           string         `json:"id"`
	OrgID        string         `json:"org_id"`
	Name         string         `json:"name"`
	Description  string         `json:"description,omitempty"`
	Config       map[string]any `json:"config,omitempty"`
	CreatedAt    time.Time      `json:"created_at"`
	LastActiveAt *time.Time     `json:"last_active_at,omitempty"`
}

// RegisterAgentRequest is an agent to be registered; Name is required.
type RegisterAgentRequest struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
	Config      map[string]any `json:"config,omitempty"`

	// IdempotencyKey makes equal requests the same one, as in AddMemoryRequest.
	IdempotencyKey string `json:"-"`
}

// AgentListOptions say which page of the agents.
type AgentListOptions struct {
	Limit  int
	Cursor string
}

// AgentList is a page of agents, the newest first. Servers older than 0.3 send all of them.
type AgentList struct {
	Agents     []Agent `json:"agents"`
	Count      int     `json:"count"`
	HasMore    bool    `json:"has_more"`
	NextCursor string  `json:"next_cursor,omitempty"`
}

// AgentStats counts what an agent did, over all time where nothing else is said.
type AgentStats struct {
	AgentID        string         `json:"agent_id"`
	MemoryCount    int            `json:"memory_count"`
	Memories24h    int            `json:"memories_24h"`
	Errors24h      int            `json:"errors_24h"`
	SessionCount   int            `json:"session_count"`
	ActiveSessions int            `json:"active_sessions"`
	LastActiveAt   *time.Time     `json:"last_active_at,omitempty"`
	MemoryTypes    map[string]int `json:"memory_types"`
}

// RegisterAgent gives an agent a description, a configuration and an id. A name that is taken is ErrConflict. Agents
// need not be registered to write.
func (c *Client) RegisterAgent(ctx context.Context, request *RegisterAgentRequest) (*Agent, error) {
	if request == nil {
		return nil, refused("", "there is no agent")
	}
	return create[Agent](ctx, c, "/agents", request, request.IdempotencyKey)
}

// ListAgents returns the first page of the registered agents. IterAgents goes through all pages.
func (c *Client) ListAgents(ctx context.Context) (*AgentList, error) {
	return c.ListAgentsPage(ctx, nil)
}

// ListAgentsPage returns one page of the registered agents.
func (c *Client) ListAgentsPage(ctx context.Context, options *AgentListOptions) (*AgentList, error) {
	query := url.Values{}
	if options != nil {
		setNumber(query, "limit", options.Limit)
		set(query, "cursor", options.Cursor)
	}
	return get[AgentList](ctx, c, "/agents", query)
}

// GetAgent finds a registered agent by id or name.
func (c *Client) GetAgent(ctx context.Context, agentID string) (*Agent, error) {
	id, err := segment("agent_id", agentID)
	if err != nil {
		return nil, err
	}
	return get[Agent](ctx, c, "/agents/"+id, nil)
}

// GetAgentStats counts what was written under the agent's name or id, whether it is registered or not.
func (c *Client) GetAgentStats(ctx context.Context, agentID string) (*AgentStats, error) {
	id, err := segment("agent_id", agentID)
	if err != nil {
		return nil, err
	}
	return get[AgentStats](ctx, c, "/agents/"+id+"/stats", nil)
}

// GetAgentMemories returns a page of what was written under the agent's name or id; Since is "24h" where it is not
// set. An AgentID in the options does not count.
func (c *Client) GetAgentMemories(ctx context.Context, agentID string, options *ListOptions) (*MemoryList, error) {
	id, err := segment("agent_id", agentID)
	if err != nil {
		return nil, err
	}
	query := options.query()
	query.Del("agent_id")
	return get[MemoryList](ctx, c, "/agents/"+id+"/memories", query)
}

// DeleteAgent forgets a registered agent, by id or name. Its sessions and memories stay.
func (c *Client) DeleteAgent(ctx context.Context, agentID string) error {
	id, err := segment("agent_id", agentID)
	if err != nil {
		return err
	}
	return c.do(ctx, &call{method: http.MethodDelete, path: "/agents/" + id}, nil)
}

// Me is whose key the client uses, and what it may do. ExpiresAt is nil for a key that does not expire.
type Me struct {
	OrgID       string     `json:"org_id"`
	OrgName     string     `json:"org_name"`
	KeyName     string     `json:"key_name"`
	Permissions []string   `json:"permissions"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	HasBinding  bool       `json:"has_binding"`
}

// Me says whose key the client uses: a cheap way to find out whether server and key are right.
func (c *Client) Me(ctx context.Context) (*Me, error) {
	return get[Me](ctx, c, "/me", nil)
}
