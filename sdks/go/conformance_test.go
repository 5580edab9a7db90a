package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

const conformanceKey = "mtk_conformance"

type conformanceCase struct {
	Name string `json:"name"`
	Call struct {
		Operation string          `json:"operation"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"call"`
	Exchanges []conformanceExchange `json:"exchanges"`
	Returns   json.RawMessage       `json:"returns"`
	Raises    map[string]any        `json:"raises"`
	Waits     []any                 `json:"waits"`
}

type conformanceExchange struct {
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Query   map[string]string `json:"query"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
		Fault   string            `json:"fault"`
	} `json:"response"`
}

func TestConformance(t *testing.T) {
	files, err := filepath.Glob("../conformance/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("the conformance set has %d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var set struct {
			Topic string            `json:"topic"`
			Cases []conformanceCase `json:"cases"`
		}
		strictly(t, text, &set)
		for _, one := range set.Cases {
			t.Run(set.Topic+"/"+one.Name, func(t *testing.T) { conforms(t, one) })
		}
	}
}

// conforms makes the call of a case and compares what came of it.
func conforms(t *testing.T, one conformanceCase) {
	played := &player{t: t, exchanges: one.Exchanges, placeholders: map[string]string{}}
	server := httptest.NewServer(played)
	defer server.Close()
	played.inner = server.Client().Transport
	client := New(server.URL, conformanceKey, WithHTTPClient(&http.Client{Transport: played}))
	var waits []time.Duration
	client.sleep = func(_ context.Context, wait time.Duration) error {
		waits = append(waits, wait)
		return nil
	}
	operation, known := operations[one.Call.Operation]
	if !known {
		t.Fatalf("no such operation: %s", one.Call.Operation)
	}
	value, err := operation(client, func(into any) { strictly(t, one.Call.Arguments, into) })
	if played.number != len(one.Exchanges) {
		t.Errorf("%d requests were made of %d", played.number, len(one.Exchanges))
	}
	sameWaits(t, waits, one.Waits)
	if one.Raises != nil {
		sameError(t, err, one.Raises)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	sameValue(t, value, one.Returns)
}

// --- operations

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
	options := ListOptions{
		AgentID: a.AgentID, SessionID: a.SessionID, MemoryType: a.MemoryType, EventType: a.EventType,
		Since: a.Since, Until: a.Until, Limit: a.Limit, Offset: a.Offset, Order: a.Order, Cursor: a.Cursor,
	}
	if a.Tags != "" {
		options.Tags = strings.Split(a.Tags, ",")
	}
	return &options
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

// --- the wire

// player answers requests with the exchanges of a case. It is the handler of the server, and the transport of the
// client where a connection is to fail.
type player struct {
	t            *testing.T
	inner        http.RoundTripper
	exchanges    []conformanceExchange
	number       int
	placeholders map[string]string
}

func (p *player) RoundTrip(request *http.Request) (*http.Response, error) {
	if p.number < len(p.exchanges) {
		switch p.exchanges[p.number].Response.Fault {
		case "refused":
			p.number++
			return nil, fmt.Errorf("dial tcp: %w", syscall.ECONNREFUSED)
		case "reset":
			body := []byte{}
			if request.Body != nil {
				body, _ = io.ReadAll(request.Body)
			}
			p.check(request, request.URL.RequestURI(), body)
			return nil, fmt.Errorf("read tcp: %w", syscall.ECONNRESET)
		}
	}
	return p.inner.RoundTrip(request)
}

func (p *player) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		p.t.Error(err)
	}
	exchange := p.check(request, request.RequestURI, body)
	if exchange == nil {
		answer.WriteHeader(http.StatusTeapot)
		return
	}
	content, kind := []byte(exchange.Response.Body), "application/json"
	var text string
	if json.Unmarshal(content, &text) == nil {
		content, kind = []byte(text), "text/html"
	}
	answer.Header().Set("Content-Type", kind)
	for name, value := range exchange.Response.Headers {
		answer.Header().Set(name, value)
	}
	answer.WriteHeader(exchange.Response.Status)
	_, _ = answer.Write(content)
}

// check compares a request with the one that is due.
func (p *player) check(request *http.Request, uri string, body []byte) *conformanceExchange {
	p.t.Helper()
	if p.number >= len(p.exchanges) {
		p.t.Errorf("a request too many: %s %s", request.Method, uri)
		return nil
	}
	exchange := &p.exchanges[p.number]
	p.number++
	due := exchange.Request
	path, rawQuery, _ := strings.Cut(uri, "?")
	if request.Method != due.Method || path != due.Path {
		p.t.Errorf("%s %s is not %s %s", request.Method, path, due.Method, due.Path)
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		p.t.Error(err)
	}
	flat := map[string]string{}
	for name := range query {
		flat[name] = strings.Join(query[name], "\x00")
	}
	if len(flat) != len(due.Query) || (len(flat) > 0 && !reflect.DeepEqual(flat, due.Query)) {
		p.t.Errorf("the query %v is not %v", flat, due.Query)
	}
	p.checkHeaders(request.Header, due.Headers)
	p.checkBody(body, due.Body)
	return exchange
}

func (p *player) checkHeaders(header http.Header, due map[string]string) {
	p.t.Helper()
	for name, value := range due {
		got := header.Get(name)
		if strings.HasPrefix(value, "$") {
			if _, bound := p.placeholders[value]; !bound {
				p.placeholders[value] = got
			}
			if p.placeholders[value] != got {
				p.t.Errorf("%s changed from %q to %q", name, p.placeholders[value], got)
			}
			value = "*"
		}
		if got == "" || (value != "*" && got != value) {
			p.t.Errorf("the header %s is %q, not %q", name, got, value)
		}
	}
}

func (p *player) checkBody(body []byte, due json.RawMessage) {
	p.t.Helper()
	if due == nil {
		if len(body) > 0 {
			p.t.Errorf("there is a body: %s", body)
		}
		return
	}
	var got, expected any
	strictly(p.t, body, &got)
	strictly(p.t, due, &expected)
	if !reflect.DeepEqual(got, withoutZeros(expected)) {
		p.t.Errorf("the body %s is not %s", body, due)
	}
}

// withoutZeros leaves out members that are the number nought: in Go a field with its zero value is not set. To a server
// an importance of 0 and none are the same.
func withoutZeros(value any) any {
	members, ok := value.(map[string]any)
	if !ok {
		return value
	}
	kept := map[string]any{}
	for name, member := range members {
		if member != float64(0) {
			kept[name] = withoutZeros(member)
		}
	}
	return kept
}

// --- what comes of it

func sameWaits(t *testing.T, got []time.Duration, due []any) {
	t.Helper()
	if len(got) != len(due) {
		t.Errorf("the waits are %v, not %v", got, due)
		return
	}
	for number, wait := range due {
		longest := min(longestBackoff, firstBackoff<<number)
		seconds, exact := wait.(float64)
		switch {
		case exact && got[number].Seconds() != seconds:
			t.Errorf("wait %d lasts %v, not %v s", number, got[number], seconds)
		case !exact && (got[number] < longest/2 || got[number] > longest):
			t.Errorf("wait %d lasts %v", number, got[number])
		}
	}
}

var kinds = map[string]error{
	"authentication":  ErrAuthentication,
	"not_found":       ErrNotFound,
	"conflict":        ErrConflict,
	"rate_limited":    ErrRateLimited,
	"no_arc_instance": ErrNoArcInstance,
	"connection":      ErrConnection,
}

func sameError(t *testing.T, err error, due map[string]any) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, but %v was due", due)
	}
	kind, _ := due["error"].(string)
	for name, target := range kinds {
		if errors.Is(err, target) != (name == kind) {
			t.Errorf("%v: being %s is %t", err, name, errors.Is(err, target))
		}
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), conformanceKey) {
		t.Errorf("the key is in %v", err)
	}
	if kind == "connection" {
		return
	}
	var answer *APIError
	if !errors.As(err, &answer) {
		t.Fatalf("%T is no *APIError", err)
	}
	told := map[string]any{
		"error": kind, "status": float64(answer.StatusCode), "code": answer.Code, "message": answer.Message,
		"request_id": answer.RequestID, "hint": answer.Hint, "field": answer.Field, "id": answer.ID,
	}
	if answer.Index != nil {
		told["index"] = float64(*answer.Index)
	}
	for name, value := range due {
		if told[name] != value {
			t.Errorf("%s is %v, not %v", name, told[name], value)
		}
	}
}

func sameValue(t *testing.T, value any, due json.RawMessage) {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var got, expected any
	strictly(t, encoded, &got)
	strictly(t, due, &expected)
	if difference := differs(got, expected); difference != "" {
		t.Errorf("%s in %s", difference, encoded)
	}
}

// differs says where a value lacks what is expected of it.
func differs(got, expected any) string {
	switch expected := expected.(type) {
	case nil:
		if got != nil && got != "" && !reflect.DeepEqual(got, []any{}) && !reflect.DeepEqual(got, map[string]any{}) {
			return fmt.Sprintf("%v instead of nothing", got)
		}
	case map[string]any:
		members, _ := got.(map[string]any)
		for name, value := range expected {
			if difference := differs(members[name], value); difference != "" {
				return name + ": " + difference
			}
		}
	case []any:
		items, _ := got.([]any)
		if len(items) != len(expected) {
			return fmt.Sprintf("%d instead of %d", len(items), len(expected))
		}
		for number, value := range expected {
			if difference := differs(items[number], value); difference != "" {
				return fmt.Sprintf("[%d]: %s", number, difference)
			}
		}
	default:
		if got == nil && expected == float64(0) {
			return ""
		}
		if !reflect.DeepEqual(got, expected) {
			return fmt.Sprintf("%v instead of %v", got, expected)
		}
	}
	return ""
}

func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
