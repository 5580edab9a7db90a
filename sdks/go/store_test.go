package sdk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// store answers batches as a server does, after faults that are queued for it.
type store struct {
	mu       sync.Mutex
	faults   []http.HandlerFunc
	down     bool
	invalid  string // a content that it refuses, and names
	contents []string
	batches  []int
	bodies   map[string]string // by Idempotency-Key
	tells    bool              // results, as the original does not
	created  string            // the word for it
	t        *testing.T
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("Idempotency-Key")
	if known, seen := s.bodies[id]; seen && known != string(body) {
		s.t.Errorf("another body under the key %s", id)
	}
	s.bodies[id] = string(body)
	if s.down {
		busy(w, r)
		return
	}
	if len(s.faults) > 0 {
		fault := s.faults[0]
		s.faults = s.faults[1:]
		fault(w, r)
		return
	}
	var sent AddBatchRequest
	if err := json.Unmarshal(body, &sent); err != nil {
		s.t.Error(err)
	}
	s.answer(w, sent.Memories)
}

func (s *store) answer(w http.ResponseWriter, memories []AddMemoryRequest) {
	if at := slices.IndexFunc(memories, func(m AddMemoryRequest) bool { return m.Content == s.invalid }); s.invalid != "" && at >= 0 {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"memories[%d] is wrong","code":"invalid_request","index":%d}`, at, at)
		return
	}
	added := AddedMemories{}
	for _, memory := range memories {
		entry := BatchEntry{s.created, "mem_" + memory.Content}
		if slices.Contains(s.contents, memory.Content) {
			entry.Status = StatusDuplicate
		} else {
			s.contents = append(s.contents, memory.Content)
			added.Memories = append(added.Memories, Memory{ID: entry.ID, AgentID: memory.AgentID, Content: memory.Content})
		}
		if s.tells {
			added.Results = append(added.Results, entry)
		}
	}
	s.batches = append(s.batches, len(memories))
	w.WriteHeader(http.StatusCreated)
	if err := json.NewEncoder(w).Encode(added); err != nil {
		s.t.Error(err)
	}
}

func (s *store) stored() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.contents)
}

// buffered makes a writer to a store of its own that pauses for nothing and waits long for other memories.
func buffered(t *testing.T, options BufferOptions, faults ...http.HandlerFunc) (*BufferedWriter, *store) {
	t.Helper()
	kept := &store{faults: faults, bodies: map[string]string{}, tells: true, created: StatusCreated, t: t}
	server := httptest.NewServer(kept)
	t.Cleanup(server.Close)
	client := New(server.URL, key, WithRetries(0))
	t.Cleanup(client.CloseIdleConnections)
	if options.MaxDelay == 0 {
		options.MaxDelay = time.Hour
	}
	writer := client.Buffered(&options)
	writer.mu.Lock()
	writer.pause = func(int, error) time.Duration { return 0 }
	writer.mu.Unlock()
	t.Cleanup(func() { _ = writer.Close(background) })
	return writer, kept
}

func add(t *testing.T, writer *BufferedWriter, contents ...string) {
	t.Helper()
	for _, content := range contents {
		if err := writer.Add(background, &AddMemoryRequest{AgentID: "a", Content: content}); err != nil {
			t.Fatal(err)
		}
	}
}
