package sdk

import (
	"context"
	"reflect"
)

type arguments func(into any)

type reference struct {
	AgentID    string `json:"agent_id"`
	SessionID  string `json:"session_id"`
	MemoryID   string `json:"memory_id"`
	DeletionID string `json:"deletion_id"`
}

type listArguments struct {
	AgentID    string `json:"agent_id"`
	SessionID  string `json:"session_id"`
	MemoryType string `json:"memory_type"`
	EventType  string `json:"event_type"`
	Tags       string `json:"tags"`
	Since      string `json:"since"`
	Until      string `json:"until"`
	Limit      int    `json:"limit"`
	Offset     int    `json:"offset"`
	Order      string `json:"order"`
	Cursor     string `json:"cursor"`
}

func (a listArguments) options() *ListOptions {
	return &ListOptions{
		AgentID: a.AgentID, SessionID: a.SessionID, MemoryType: a.MemoryType, EventType: a.EventType,
		Since: a.Since, Until: a.Until, Limit: a.Limit, Offset: a.Offset, Order: a.Order, Cursor: a.Cursor,
		Tags: a.Tags,
	}
}

type pageArguments struct {
	AgentID string `json:"agent_id"`
	Status  string `json:"status"`
	Limit   int    `json:"limit"`
	Cursor  string `json:"cursor"`
}

var background = context.Background()

var operations = map[string]func(*Client, arguments) (any, error){
	"remember": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[struct {
			AgentID string `json:"agent_id"`
			Content string `json:"content"`
		}](read)
		return c.Remember(background, a.AgentID, a.Content)
	},
	"recall": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[struct {
			AgentID string `json:"agent_id"`
			Since   string `json:"since"`
		}](read)
		return c.Recall(background, a.AgentID, a.Since)
	},
	"decide": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[struct {
			AgentID   string `json:"agent_id"`
			Decision  string `json:"decision"`
			Reasoning string `json:"reasoning"`
		}](read)
		return c.Decide(background, a.AgentID, a.Decision, a.Reasoning)
	},
	"add_memory": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[AddMemoryRequest](read)
		return c.AddMemory(background, &a)
	},
	"add_memories": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[AddBatchRequest](read)
		return c.AddBatch(background, &a)
	},
	"list_memories": func(c *Client, read arguments) (any, error) {
		return c.ListMemories(background, argumentsOf[listArguments](read).options())
	},
	"iter_memories": func(c *Client, read arguments) (any, error) {
		return all(c.IterMemories(background, argumentsOf[listArguments](read).options()))
	},
	"get_memory": func(c *Client, read arguments) (any, error) {
		return c.GetMemory(background, argumentsOf[reference](read).MemoryID)
	},
	"delete_memory": func(c *Client, read arguments) (any, error) {
		return c.DeleteMemory(background, argumentsOf[reference](read).MemoryID)
	},
	"search_memories": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[SearchQuery](read)
		return c.SearchMemories(background, &a)
	},
	"iter_search": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[SearchQuery](read)
		return all(c.IterSearch(background, &a))
	},
	"register_agent": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[RegisterAgentRequest](read)
		return c.RegisterAgent(background, &a)
	},
	"list_agents": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[pageArguments](read)
		if a == (pageArguments{}) {
			return c.ListAgents(background)
		}
		return c.ListAgentsPage(background, &AgentListOptions{Limit: a.Limit, Cursor: a.Cursor})
	},
	"iter_agents": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[pageArguments](read)
		return all(c.IterAgents(background, &AgentListOptions{Limit: a.Limit, Cursor: a.Cursor}))
	},
	"get_agent": func(c *Client, read arguments) (any, error) {
		return c.GetAgent(background, argumentsOf[reference](read).AgentID)
	},
	"get_agent_stats": func(c *Client, read arguments) (any, error) {
		return c.GetAgentStats(background, argumentsOf[reference](read).AgentID)
	},
	"get_agent_memories": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[listArguments](read)
		return c.GetAgentMemories(background, a.AgentID, a.options())
	},
	"iter_agent_memories": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[listArguments](read)
		return all(c.IterAgentMemories(background, a.AgentID, a.options()))
	},
	"delete_agent": func(c *Client, read arguments) (any, error) {
		return nil, c.DeleteAgent(background, argumentsOf[reference](read).AgentID)
	},
	"create_session": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[CreateSessionRequest](read)
		return c.CreateSession(background, &a)
	},
	"get_session": func(c *Client, read arguments) (any, error) {
		return c.GetSession(background, argumentsOf[reference](read).SessionID)
	},
	"list_sessions": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[pageArguments](read)
		if a == (pageArguments{AgentID: a.AgentID}) {
			return c.ListSessions(background, a.AgentID)
		}
		options := SessionListOptions(a)
		return c.ListSessionsPage(background, &options)
	},
	"iter_sessions": func(c *Client, read arguments) (any, error) {
		options := SessionListOptions(argumentsOf[pageArguments](read))
		return all(c.IterSessions(background, &options))
	},
	"update_session": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[struct {
			SessionID string `json:"session_id"`
			UpdateSessionRequest
		}](read)
		return c.UpdateSession(background, a.SessionID, &a.UpdateSessionRequest)
	},
	"close_session": func(c *Client, read arguments) (any, error) {
		return c.CloseSession(background, argumentsOf[reference](read).SessionID)
	},
	"delete_session": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[struct {
			SessionID string `json:"session_id"`
			Memories  bool   `json:"memories"`
		}](read)
		return c.DeleteSession(background, a.SessionID, &DeleteSessionOptions{Memories: a.Memories})
	},
	"get_session_memories": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[listArguments](read)
		return c.GetSessionMemories(background, a.SessionID, a.options())
	},
	"iter_session_memories": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[listArguments](read)
		return all(c.IterSessionMemories(background, a.SessionID, a.options()))
	},
	"get_session_context": func(c *Client, read arguments) (any, error) {
		a := argumentsOf[struct {
			SessionID string `json:"session_id"`
			ContextOptions
		}](read)
		if reflect.DeepEqual(a.ContextOptions, ContextOptions{}) {
			return c.GetSessionContext(background, a.SessionID, nil)
		}
		return c.GetSessionContext(background, a.SessionID, &a.ContextOptions)
	},
	"get_deletion": func(c *Client, read arguments) (any, error) {
		return c.GetDeletion(background, argumentsOf[reference](read).DeletionID)
	},
	"list_deletions": func(c *Client, read arguments) (any, error) {
		return c.ListDeletions(background, argumentsOf[pageArguments](read).Limit)
	},
	"me": func(c *Client, read arguments) (any, error) { return c.Me(background) },
}

func argumentsOf[T any](read arguments) T {
	var value T
	read(&value)
	return value
}

func all[T any](iterator *Iterator[T]) (any, error) {
	values := []T{}
	for iterator.Next() {
		values = append(values, iterator.Value())
	}
	return values, iterator.Err()
}
