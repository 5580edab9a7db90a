package sdk

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// The states of a deletion. No read shows what it covers in any of them.
const (
	DeletionPending = "pending" // not taken out of the store for certain
	DeletionRemoved = "removed" // it is, and is looked at again
	DeletionClosed  = "closed"  // nothing can bring it back
)

// Deletion is the receipt of a deletion: what it covers, what is gone and what remains. MemoryID is set for one
// memory, the fields after it for the memories of a session.
type Deletion struct {
	DeletionID  string      `json:"deletion_id"`
	OrgID       string      `json:"org_id"`
	RequestedAt time.Time   `json:"requested_at"`
	State       string      `json:"state"`
	MemoryID    string      `json:"memory_id,omitempty"`
	SessionID   string      `json:"session_id,omitempty"`
	AgentIDs    []string    `json:"agent_ids,omitempty"`
	Before      *time.Time  `json:"before,omitempty"`
	Removed     Removed     `json:"removed"`
	Remains     []Remainder `json:"remains"`
}

// Removed counts the memories that are gone so far, by where they were.
type Removed struct {
	Journal int `json:"journal"`
	Store   int `json:"store"`
}

// Remainder is what is not gone, and why. Until is nil where nobody can say.
type Remainder struct {
	Where string     `json:"where"`
	Until *time.Time `json:"until"`
	Why   string     `json:"why"`
}

// DeletionList holds the newest deletions.
type DeletionList struct {
	Deletions []Deletion `json:"deletions"`
	Count     int        `json:"count"`
	HasMore   bool       `json:"has_more"`
}

// DeleteSessionOptions say what goes: the session's record, and with Memories all that was written in it.
type DeleteSessionOptions struct {
	Memories bool
}

// SessionDeletion is what became of a session. Memories is nil where they were not to be deleted.
type SessionDeletion struct {
	SessionID string    `json:"session_id"`
	HadRecord bool      `json:"had_record"`
	Memories  *Deletion `json:"memories"`
}

// DeleteSession deletes the record of a session, with Memories also everything that was written in it up to then; for
// that the session need not be registered.
func (c *Client) DeleteSession(ctx context.Context, sessionID string, options *DeleteSessionOptions) (*SessionDeletion, error) {
	id, err := segment("session_id", sessionID)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	if options != nil && options.Memories {
		query.Set("memories", "true")
	}
	return exchange[SessionDeletion](ctx, c, &call{method: http.MethodDelete, path: "/sessions/" + id, query: query})
}

// GetDeletion returns the receipt as of now.
func (c *Client) GetDeletion(ctx context.Context, deletionID string) (*Deletion, error) {
	id, err := segment("deletion_id", deletionID)
	if err != nil {
		return nil, err
	}
	return get[Deletion](ctx, c, "/deletions/"+id, nil)
}

// ListDeletions returns the newest deletions, at most limit; 0 is the server's limit.
func (c *Client) ListDeletions(ctx context.Context, limit int) (*DeletionList, error) {
	query := url.Values{}
	setNumber(query, "limit", limit)
	return get[DeletionList](ctx, c, "/deletions", query)
}
