package sdk

import (
	"context"
	"errors"
	"net/http"
)

const (
	defaultLimit = 100
	mostLimit    = 1000
)

// Iterator goes through all pages of a list and asks for each when it comes to it. It is for one goroutine.
//
//	memories := client.IterMemories(ctx, &sdk.ListOptions{AgentID: "crawler"})
//	for memories.Next() {
//		fmt.Println(memories.Value().Content)
//	}
//	if err := memories.Err(); err != nil {
//		return err
//	}
//
// From Go 1.23 on, All gives the same to a range loop.
type Iterator[T any] struct {
	next  func(cursor string, shown int) (page[T], error)
	items []T
	value T
	after page[T]
	shown int
	ended bool
	err   error
}

// page is what one answer holds: offset says that without a cursor the list goes on by offset.
type page[T any] struct {
	items    []T
	hasMore  bool
	cursor   string
	byOffset bool
}

// Next goes to the next value, and asks for a page where it must. False is the end, or an error.
func (i *Iterator[T]) Next() bool {
	for len(i.items) == 0 {
		if i.ended {
			return false
		}
		i.turn()
	}
	i.value, i.items = i.items[0], i.items[1:]
	i.shown++
	return true
}

// Value is the one that Next went to.
func (i *Iterator[T]) Value() T { return i.value }

// Err is what ended the iteration early, or nil.
func (i *Iterator[T]) Err() error { return i.err }

// turn asks for one page.
func (i *Iterator[T]) turn() {
	before := i.after.cursor
	got, err := i.next(before, i.shown)
	if err != nil {
		i.ended, i.err = true, err
		return
	}
	i.items, i.after = got.items, got
	switch {
	case got.cursor != "" && got.cursor == before:
		i.ended, i.items = true, nil
		i.err = &APIError{Code: codeInvalidResponse, Message: "the server sent the same cursor twice"}
	case got.cursor != "":
	default:
		i.ended = !got.hasMore || !got.byOffset || len(got.items) == 0
	}
}

// IterMemories goes through all memories that ListMemories would list, a page of Limit at a time.
func (c *Client) IterMemories(ctx context.Context, options *ListOptions) *Iterator[Memory] {
	return iterate(options, func(page *ListOptions) (*MemoryList, error) { return c.ListMemories(ctx, page) })
}

// IterAgentMemories goes through all memories that GetAgentMemories would list.
func (c *Client) IterAgentMemories(ctx context.Context, agentID string, options *ListOptions) *Iterator[Memory] {
	return iterate(options, func(page *ListOptions) (*MemoryList, error) {
		return c.GetAgentMemories(ctx, agentID, page)
	})
}

// IterSessionMemories goes through all memories that GetSessionMemories would list.
func (c *Client) IterSessionMemories(ctx context.Context, sessionID string, options *ListOptions) *Iterator[Memory] {
	return iterate(options, func(page *ListOptions) (*MemoryList, error) {
		return c.GetSessionMemories(ctx, sessionID, page)
	})
}

// IterSearch goes through all memories that a search finds. Servers older than 0.3 tell of the first page alone.
func (c *Client) IterSearch(ctx context.Context, query *SearchQuery) *Iterator[Memory] {
	asked := valueOf(query)
	return &Iterator[Memory]{next: func(cursor string, _ int) (page[Memory], error) {
		asked.Cursor = firstOf(cursor, asked.Cursor)
		got, err := c.SearchMemories(ctx, &asked)
		for err != nil && fewer(&asked.Limit, err) {
			got, err = c.SearchMemories(ctx, &asked)
		}
		if err != nil {
			return page[Memory]{}, err
		}
		return page[Memory]{items: got.Results, hasMore: got.HasMore, cursor: got.NextCursor}, nil
	}}
}

// IterAgents goes through all registered agents.
func (c *Client) IterAgents(ctx context.Context, options *AgentListOptions) *Iterator[Agent] {
	asked := valueOf(options)
	return &Iterator[Agent]{next: func(cursor string, _ int) (page[Agent], error) {
		asked.Cursor = firstOf(cursor, asked.Cursor)
		got, err := c.ListAgentsPage(ctx, &asked)
		for err != nil && fewer(&asked.Limit, err) {
			got, err = c.ListAgentsPage(ctx, &asked)
		}
		if err != nil {
			return page[Agent]{}, err
		}
		return page[Agent]{items: got.Agents, hasMore: got.HasMore, cursor: got.NextCursor}, nil
	}}
}

// IterSessions goes through all sessions that ListSessionsPage would list.
func (c *Client) IterSessions(ctx context.Context, options *SessionListOptions) *Iterator[Session] {
	asked := valueOf(options)
	return &Iterator[Session]{next: func(cursor string, _ int) (page[Session], error) {
		asked.Cursor = firstOf(cursor, asked.Cursor)
		got, err := c.ListSessionsPage(ctx, &asked)
		for err != nil && fewer(&asked.Limit, err) {
			got, err = c.ListSessionsPage(ctx, &asked)
		}
		if err != nil {
			return page[Session]{}, err
		}
		return page[Session]{items: got.Sessions, hasMore: got.HasMore, cursor: got.NextCursor}, nil
	}}
}

// iterate follows cursors, and offsets where a server has none. A cursor takes the offset's place.
func iterate(options *ListOptions, list func(*ListOptions) (*MemoryList, error)) *Iterator[Memory] {
	asked := valueOf(options)
	first := asked.Offset
	return &Iterator[Memory]{next: func(cursor string, shown int) (page[Memory], error) {
		asked.Offset = first + shown
		if cursor != "" {
			asked.Cursor, asked.Offset = cursor, 0
		}
		got, err := list(&asked)
		for err != nil && fewer(&asked.Limit, err) {
			got, err = list(&asked)
		}
		if err != nil {
			return page[Memory]{}, err
		}
		return page[Memory]{items: got.Memories, hasMore: got.HasMore, cursor: got.NextCursor, byOffset: true}, nil
	}}
}

// fewer makes it a quarter of a page that was larger than one answer may be: functions in AWS Lambda answer no
// more than 6 MB. False for any other error.
func fewer(limit *int, err error) bool {
	var refused *APIError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusBadRequest || refused.Field != "limit" {
		return false
	}
	asked := *limit
	if asked == 0 {
		asked = defaultLimit
	}
	if asked < 2 || asked > mostLimit {
		return false
	}
	*limit = max(1, asked/4)
	return true
}

// valueOf copies, so that an iterator goes on with what it was given.
func valueOf[T any](pointer *T) T {
	if pointer == nil {
		return *new(T)
	}
	return *pointer
}
