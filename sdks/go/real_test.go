package sdk

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What follows asks a real server, as scripts/test-go starts one; without one it is left out. The agents of each test
// are its own.

func ofServer(t *testing.T) *Client {
	t.Helper()
	client := New("", "")
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// must is for calls that are not what a test is about.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func contentsOf(memories []Memory) []string {
	contents := []string{}
	for _, memory := range memories {
		contents = append(contents, memory.Content)
	}
	return contents
}

func TestRealMemoryComesBackAsItWasSent(t *testing.T) {
	client := ofServer(t)
	sent := AddMemoryRequest{
		AgentID: "real_whole", SessionID: "sess_whole", MemoryType: MemoryTypeEntity, EventType: "preference",
		Content: "Quotes ' \" \\ <&> % – äöü 漢字 🙂", Metadata: map[string]any{"deep": []any{1.5, nil, true}},
		Tags: []string{"a.b", "c-d"}, DedupKey: "whole/ä ?#%", Importance: 0.25, ParentID: "mem_other",
	}
	added := must(client.AddMemory(background, &sent))
	for _, reference := range []string{added.ID, sent.DedupKey} {
		got := must(client.GetMemory(background, reference))
		same(t, *got, Memory{
			ID: added.ID, Time: added.Time, OrgID: "org_default", AgentID: sent.AgentID, SessionID: sent.SessionID,
			MemoryType: sent.MemoryType, EventType: sent.EventType, Content: sent.Content, Metadata: sent.Metadata,
			Tags: sent.Tags, DedupKey: sent.DedupKey, Importance: sent.Importance, ParentID: sent.ParentID,
		})
	}
}

func TestRealDuplicateNamesTheMemoryThatIsThere(t *testing.T) {
	client := ofServer(t)
	first := must(client.Remember(background, "real_twice", "once"))
	_, err := client.Remember(background, "real_twice", "once")
	var problem *APIError
	if !errors.Is(err, ErrDuplicate) || !errors.As(err, &problem) || problem.ID != first.ID || problem.RequestID == "" {
		t.Errorf("%v", err)
	}
}

func TestRealIdempotencyKeyGivesTheSameAnswerAgain(t *testing.T) {
	client := ofServer(t)
	request := &AddMemoryRequest{AgentID: "real_key", Content: "once", IdempotencyKey: "the key of this test"}
	first := must(client.AddMemory(background, request))
	same(t, must(client.AddMemory(background, request)).ID, first.ID)
	request.Content = "something else"
	if _, err := client.AddMemory(background, request); !errors.Is(err, ErrConflict) || errors.Is(err, ErrDuplicate) {
		t.Errorf("%v", err)
	}
}

func TestRealBatchIsAllOrNothing(t *testing.T) {
	client := ofServer(t)
	_, err := client.AddBatch(background, &AddBatchRequest{Memories: []AddMemoryRequest{
		{AgentID: "real_batch", Content: "fine"},
		{AgentID: "real_batch", Content: "not fine", Tags: []string{"white space"}},
	}})
	var problem *APIError
	if !errors.Is(err, ErrInvalidRequest) || !errors.As(err, &problem) || problem.Index == nil || *problem.Index != 1 {
		t.Fatalf("%v", err)
	}
	same(t, problem.Field, "memories[1].tags[0]")
	same(t, must(client.Recall(background, "real_batch", "")).Count, 0)
}

func TestRealPagesHoldEveryMemoryOnce(t *testing.T) {
	client := ofServer(t)
	request := &AddBatchRequest{}
	expected := []string{}
	for number := range 25 {
		content := strings.Repeat("i", number+1)
		request.Memories = append(request.Memories, AddMemoryRequest{AgentID: "real_pages", SessionID: "sess_pages", Content: content})
		expected = append(expected, content)
	}
	must(client.AddBatch(background, request))
	options := ListOptions{AgentID: "real_pages", Order: OrderAsc, Limit: 10}
	for name, iterator := range map[string]*Iterator[Memory]{
		"list":    client.IterMemories(background, &options),
		"agent":   client.IterAgentMemories(background, "real_pages", &options),
		"session": client.IterSessionMemories(background, "sess_pages", &options),
		"search":  client.IterSearch(background, &SearchQuery{AgentID: "real_pages", Order: OrderAsc, Limit: 10}),
	} {
		var memories []Memory
		for iterator.Next() {
			memories = append(memories, iterator.Value())
		}
		if iterator.Err() != nil {
			t.Errorf("%s: %v", name, iterator.Err())
		}
		same(t, contentsOf(memories), expected)
	}
}

func TestRealAgents(t *testing.T) {
	client := ofServer(t)
	for _, name := range []string{"real one", "real two", "real three"} {
		agent := must(client.RegisterAgent(background, &RegisterAgentRequest{Name: name, Description: "d", Config: map[string]any{"m": "x"}}))
		same(t, must(client.GetAgent(background, name)).ID, agent.ID)
	}
	_, err := client.RegisterAgent(background, &RegisterAgentRequest{Name: "real one"})
	same(t, errors.Is(err, ErrConflict), true)

	names := []string{}
	agents := client.IterAgents(background, &AgentListOptions{Limit: 1})
	for agents.Next() {
		names = append(names, agents.Value().Name)
	}
	same(t, strings.Join(names, ","), "real three,real two,real one")
	same(t, must(client.ListAgents(background)).Count, 3)

	if err := client.DeleteAgent(background, "real two"); err != nil {
		t.Error(err)
	}
	same(t, errors.Is(client.DeleteAgent(background, "real two"), ErrNotFound), true)

	must(client.Remember(background, "real_busy", "work"))
	must(client.Decide(background, "real_busy", "rest", "work is done"))
	stats := must(client.GetAgentStats(background, "real_busy"))
	same(t, stats.MemoryTypes, map[string]int{"episodic": 1, "decision": 1})
	same(t, must(client.GetAgentMemories(background, "real_busy", nil)).Count, 2)
}

func TestRealSessions(t *testing.T) {
	client := ofServer(t)
	session := must(client.CreateSession(background, &CreateSessionRequest{AgentID: "real_session", Metadata: map[string]any{"goal": "prices", "old": 1}}))
	must(client.CreateSession(background, &CreateSessionRequest{AgentID: "real_session"}))
	changed := must(client.UpdateSession(background, session.ID, &UpdateSessionRequest{Metadata: map[string]any{"goal": "all", "old": nil}}))
	same(t, changed.Metadata, map[string]any{"goal": "all"})

	closed := must(client.CloseSession(background, session.ID))
	same(t, closed.Status, SessionClosed)
	same(t, closed.ClosedAt != nil, true)
	same(t, must(client.GetSession(background, session.ID)).Status, SessionClosed)
	same(t, must(client.ListSessions(background, "real_session")).Count, 2)
	same(t, must(client.ListSessionsPage(background, &SessionListOptions{AgentID: "real_session", Status: SessionActive})).Count, 1)

	must(client.AddMemory(background, &AddMemoryRequest{AgentID: "real_session", SessionID: session.ID, EventType: "error", Content: "It broke"}))
	same(t, must(client.GetSessionMemories(background, session.ID, nil)).Count, 1)
	story := must(client.GetSessionContext(background, session.ID, nil))
	same(t, strings.Contains(story.Context, "### Errors (1)"), true)
	same(t, story.Tokens > 0 && story.MemoryCount == 1 && !story.Truncated, true)
}

func TestRealDeletions(t *testing.T) {
	client := ofServer(t)
	memory := must(client.AddMemory(background, &AddMemoryRequest{AgentID: "real_gone", SessionID: "sess_gone", Content: "a"}))
	must(client.AddMemory(background, &AddMemoryRequest{AgentID: "real_gone", SessionID: "sess_gone", Content: "b"}))

	receipt := must(client.DeleteMemory(background, memory.ID))
	same(t, receipt.MemoryID, memory.ID)
	_, err := client.DeleteMemory(background, memory.ID)
	same(t, errors.Is(err, ErrNotFound), true)

	gone := must(client.DeleteSession(background, "sess_gone", &DeleteSessionOptions{Memories: true}))
	same(t, gone.HadRecord, false)
	same(t, must(client.Recall(background, "real_gone", "")).Count, 0)
	same(t, must(client.GetDeletion(background, gone.Memories.DeletionID)).SessionID, "sess_gone")
	same(t, must(client.ListDeletions(background, 1)).Deletions[0].DeletionID, gone.Memories.DeletionID)
}

func TestRealBufferStoresEverything(t *testing.T) {
	client := ofServer(t)
	writer := client.Buffered(&BufferOptions{MaxBatch: 40})
	for number := range 100 {
		memory := &AddMemoryRequest{AgentID: "real_buffer", Content: strings.Repeat("b", number+1)}
		if number == 50 {
			memory.EventType = "no type"
		}
		if err := writer.Add(background, memory); err != nil {
			t.Fatal(err)
		}
	}
	err := writer.Close(background)
	same(t, errors.Is(err, ErrInvalidRequest), true)
	same(t, failuresOf(err), []string{strings.Repeat("b", 51)})
	same(t, writer.Counts(), WriteCounts{Created: 99, Failed: 1})
	same(t, must(client.GetAgentStats(background, "real_buffer")).MemoryCount, 99)
}

func TestRealKeysAreChecked(t *testing.T) {
	_, err := New("", "mtk_unknown").Me(background)
	same(t, errors.Is(err, ErrAuthentication), true)
}

// run executes a program and returns what it prints.
func run(t *testing.T, folder string, words ...string) string {
	t.Helper()
	command := exec.Command(words[0], words[1:]...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	var problems bytes.Buffer
	command.Stderr = &problems
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", words, err, problems.String())
	}
	return strings.TrimSpace(string(printed))
}

func TestRealProgramForTheOriginalRunsUnchanged(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(read(t, "testdata/dropin/main.go")), 0o600); err != nil {
		t.Fatal(err)
	}
	here := must(filepath.Abs("."))
	run(t, folder, "go", "mod", "init", "example.com/dropin")
	run(t, folder, "go", "mod", "edit", "-replace", "github.com/Basekick-Labs/memtrace/pkg/sdk="+here)
	run(t, folder, "go", "mod", "tidy")
	same(t, run(t, folder, "go", "run", "."), "1 4 1 1 true true false")
}

func TestRealFirstProgramOfTheReadme(t *testing.T) {
	printed := run(t, ".", "go", "run", "./examples/first")
	same(t, strings.Contains(printed, "page_crawled Crawled https://example.com: found 3 product links"), true)
	same(t, strings.Contains(printed, "## Session Context (sess_first)"), true)
}
