package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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
		entry := BatchEntry{StatusCreated, "mem_" + memory.Content}
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
	kept := &store{faults: faults, bodies: map[string]string{}, tells: true, t: t}
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

func failuresOf(err error) []string {
	var told *BufferedWriteError
	var contents []string
	if errors.As(err, &told) {
		for _, failure := range told.Failures {
			contents = append(contents, failure.Request.Content)
		}
	}
	return contents
}

func same(t *testing.T, got, expected any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(expected) {
		t.Errorf("%v is not %v", got, expected)
	}
}

func busy(w http.ResponseWriter, r *http.Request) {
	answer(503, `{"error":"busy","code":"unavailable"}`)(w, r)
}

func TestCloseStoresAllInOrder(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{MaxBatch: 2})
	add(t, writer, "1", "2", "3", "4", "5")
	if err := writer.Close(background); err != nil {
		t.Fatal(err)
	}
	same(t, kept.stored(), []string{"1", "2", "3", "4", "5"})
	same(t, writer.Counts(), WriteCounts{Created: 5})
	same(t, writer.Pending(), 0)
	same(t, slices.Max(kept.batches), 2)
}

func TestFlushStoresWhatWasAddedBefore(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{})
	add(t, writer, "1", "2")
	same(t, writer.Pending(), 2)
	if err := writer.Flush(background); err != nil {
		t.Fatal(err)
	}
	same(t, kept.stored(), []string{"1", "2"})
	same(t, kept.batches, []int{2})
	if err := writer.Flush(background); err != nil {
		t.Error(err)
	}
}

func TestAMemoryWaitsForOthersNoLongerThanItsDelay(t *testing.T) {
	results := make(chan WriteResult, 1)
	writer, _ := buffered(t, BufferOptions{MaxDelay: 5 * time.Millisecond, OnResult: func(r WriteResult) { results <- r }})
	add(t, writer, "1")
	result := <-results
	same(t, []string{result.Status, result.ID, result.Request.Content}, []string{StatusCreated, "mem_1", "1"})
}

func TestAFullBatchWaitsForNothing(t *testing.T) {
	results := make(chan WriteResult, 2)
	writer, _ := buffered(t, BufferOptions{MaxBatch: 2, OnResult: func(r WriteResult) { results <- r }})
	add(t, writer, "1", "2")
	same(t, []string{(<-results).ID, (<-results).ID}, []string{"mem_1", "mem_2"})
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{})
	writer.mu.Lock()
	writer.batchBytes = 150
	writer.mu.Unlock()
	add(t, writer, strings.Repeat("1", 70), strings.Repeat("2", 70), strings.Repeat("3", 70), strings.Repeat("4", 500))
	if err := writer.Close(background); err != nil {
		t.Fatal(err)
	}
	same(t, kept.batches, []int{1, 1, 1, 1})
}

func TestAMemoryIsTakenAsItIs(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{})
	request := &AddMemoryRequest{Content: "before"}
	if err := writer.Add(background, request); err != nil {
		t.Fatal(err)
	}
	request.Content = "after"
	if err := writer.Close(background); err != nil {
		t.Fatal(err)
	}
	same(t, kept.stored(), []string{"before"})
}

func TestDuplicatesAreNoFailures(t *testing.T) {
	for _, tells := range []bool{true, false} {
		t.Run(fmt.Sprintf("results told: %t", tells), func(t *testing.T) {
			var statuses []string
			writer, kept := buffered(t, BufferOptions{OnResult: func(r WriteResult) { statuses = append(statuses, r.Status) }})
			kept.tells = tells
			add(t, writer, "1", "2", "1", "3")
			if err := writer.Close(background); err != nil {
				t.Fatal(err)
			}
			same(t, statuses, []string{"created", "created", "duplicate", "created"})
			same(t, writer.Counts(), WriteCounts{Created: 3, Duplicates: 1})
		})
	}
}

func TestFaultsThatPassLoseNothingAndStoreNothingTwice(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"busy":          busy,
		"limited":       answer(429, `{"error":"slower","code":"rate_limited"}`),
		"slow":          answer(408, `{"error":"too slow","code":"request_timeout"}`),
		"broken":        answer(500, `{"error":"oh","code":"internal_error"}`),
		"cut off":       cutOff,
		"another's":     answer(200, "<html>log in</html>"),
		"a gateway's":   answer(502, "<html>bad gateway</html>"),
		"halfway there": truncated,
	} {
		t.Run(name, func(t *testing.T) {
			writer, kept := buffered(t, BufferOptions{MaxBatch: 2}, fault, fault)
			add(t, writer, "1", "2", "3")
			if err := writer.Close(background); err != nil {
				t.Fatal(err)
			}
			same(t, kept.stored(), []string{"1", "2", "3"})
			same(t, len(kept.bodies), 2)
		})
	}
}

func TestFlushTellsWhyMemoriesWaitAndKeepsThem(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{}, busy)
	writer.mu.Lock()
	writer.pause = func(int, error) time.Duration { return time.Hour }
	writer.mu.Unlock()
	add(t, writer, "1")
	if err := writer.Flush(background); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
	same(t, writer.Pending(), 1)
	if err := writer.Flush(background); err != nil {
		t.Error(err)
	}
	same(t, kept.stored(), []string{"1"})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	writer, kept := buffered(t, BufferOptions{}, func(w http.ResponseWriter, r *http.Request) { <-release; busy(w, r) })
	add(t, writer, "1")
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	if err := writer.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(release)
	if err := writer.Close(background); err != nil {
		t.Error(err)
	}
	same(t, kept.stored(), []string{"1"})
}

func TestAnInvalidMemoryDoesNotTakeItsBatchAlong(t *testing.T) {
	for _, wrong := range []string{"1", "3", "4"} {
		writer, kept := buffered(t, BufferOptions{})
		kept.invalid = wrong
		add(t, writer, "1", "2", "3", "4")
		err := writer.Close(background)
		same(t, failuresOf(err), []string{wrong})
		if !errors.Is(err, ErrInvalidRequest) || !strings.Contains(err.Error(), "1 memories were not stored") {
			t.Errorf("%v", err)
		}
		same(t, len(kept.stored()), 3)
		same(t, slices.IsSorted(kept.stored()), true)
		same(t, writer.Counts(), WriteCounts{Created: 3, Failed: 1})
	}
}

func TestABatchThatIsTooLargeIsSentInParts(t *testing.T) {
	large := answer(413, `{"error":"too large","code":"request_too_large"}`)
	writer, kept := buffered(t, BufferOptions{}, large, large, large)
	add(t, writer, "1", "2", "3")
	err := writer.Close(background)
	same(t, failuresOf(err), []string{"1"})
	same(t, kept.stored(), []string{"2", "3"})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestPartsKeepTheOrder(t *testing.T) {
	large := answer(413, `{"error":"too large","code":"request_too_large"}`)
	writer, kept := buffered(t, BufferOptions{}, large, large)
	add(t, writer, "1", "2", "3", "4")
	if err := writer.Close(background); err != nil {
		t.Error(err)
	}
	same(t, kept.stored(), []string{"1", "2", "3", "4"})
	same(t, kept.batches, []int{1, 1, 2})
}

func TestARefusalWithoutAUsableIndexIsHalved(t *testing.T) {
	for _, index := range []string{"", `,"index":-1`, `,"index":2`} {
		refusal := answer(400, `{"error":"wrong","code":"invalid_request"`+index+`}`)
		writer, kept := buffered(t, BufferOptions{}, refusal)
		add(t, writer, "1", "2")
		if err := writer.Close(background); err != nil {
			t.Error(err)
		}
		same(t, kept.batches, []int{1, 1})
	}
}

func TestWhatWillNotPassFailsAtOnce(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"no key":           answer(401, `{"error":"invalid API key","code":"unauthenticated"}`),
		"no binding":       answer(503, `{"error":"no arc instance configured for this org"}`),
		"refused for good": answer(502, `{"error":"no","code":"store_refused"}`),
		"a store's denial": answer(502, `{"error":"no","code":"store_denied"}`),
	} {
		t.Run(name, func(t *testing.T) {
			writer, kept := buffered(t, BufferOptions{MaxBatch: 2}, fault)
			add(t, writer, "1", "2", "3")
			same(t, failuresOf(writer.Flush(background)), []string{"1", "2"})
			same(t, kept.stored(), []string{"3"})
			if err := writer.Close(background); err != nil {
				t.Errorf("told twice: %v", err)
			}
		})
	}
}

func TestCloseTellsEverythingThatADeadServerDidNotTake(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{MaxBatch: 2})
	kept.down = true
	add(t, writer, "1", "2", "3", "4", "5")
	err := writer.Close(background)
	same(t, failuresOf(err), []string{"1", "2", "3", "4", "5"})
	same(t, errors.Is(err, ErrUnavailable), true)
	same(t, len(kept.stored()), 0)
	same(t, writer.Counts(), WriteCounts{Failed: 5})
	if err := writer.Close(background); err != nil {
		t.Errorf("told twice: %v", err)
	}
}

func TestCloseEndsWithItsContextAndTellsWhatIsLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	writer, _ := buffered(t, BufferOptions{MaxBatch: 1}, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	add(t, writer, "1", "2")
	err := writer.Close(ctx)
	same(t, failuresOf(err), []string{"1", "2"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestResultsAreToldInsteadOfReturned(t *testing.T) {
	var told []WriteResult
	writer, kept := buffered(t, BufferOptions{OnResult: func(r WriteResult) { told = append(told, r) }})
	kept.invalid = "2"
	add(t, writer, "1", "2")
	if err := writer.Close(background); err != nil {
		t.Errorf("%v", err)
	}
	same(t, len(told), 2)
	same(t, []string{told[0].Request.Content, told[0].Status}, []string{"2", StatusFailed})
	same(t, errors.Is(told[0].Err, ErrInvalidRequest), true)
}

func TestAFullBufferWaitsForRoom(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	writer, kept := buffered(t, BufferOptions{MaxBatch: 1, MaxPending: 1}, func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-release
		busy(w, r)
	})
	add(t, writer, "1")
	<-started
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	err := writer.Add(ctx, &AddMemoryRequest{Content: "never"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(release)
	add(t, writer, "2")
	if err := writer.Close(background); err != nil {
		t.Error(err)
	}
	same(t, kept.stored(), []string{"1", "2"})
}

func TestAFullBufferTellsWhyItIsStuck(t *testing.T) {
	writer, _ := buffered(t, BufferOptions{MaxBatch: 1, MaxPending: 1}, busy)
	writer.mu.Lock()
	writer.pause = func(int, error) time.Duration { return time.Hour }
	writer.mu.Unlock()
	add(t, writer, "1")
	if err := writer.Flush(background); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	err := writer.Add(ctx, &AddMemoryRequest{Content: "never"})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestTheBufferIsBoundedInBytes(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{MaxPendingBytes: 100})
	add(t, writer, strings.Repeat("x", 200)) // one always fits
	ctx, cancel := context.WithCancel(background)
	cancel()
	if err := writer.Add(ctx, &AddMemoryRequest{Content: "never"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := writer.Flush(background); err != nil {
		t.Error(err)
	}
	add(t, writer, "1")
	same(t, len(kept.stored()), 1)
}

func TestWhatIsSettledAndToldLeavesRoom(t *testing.T) {
	denied := answer(401, `{"error":"invalid API key","code":"unauthenticated"}`)
	writer, _ := buffered(t, BufferOptions{MaxPendingBytes: 300}, denied)
	ctx, cancel := context.WithCancel(background)
	cancel() // Add that has to wait fails
	for round := range 5 {
		for _, name := range []string{"a", "b"} {
			content := fmt.Sprint(name, round, strings.Repeat("x", 80))
			if err := writer.Add(ctx, &AddMemoryRequest{Content: content}); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		same(t, len(failuresOf(writer.Flush(background))), map[int]int{0: 2}[round])
	}
}

func TestABufferFullOfFailuresTellsThem(t *testing.T) {
	denied := answer(401, `{"error":"invalid API key","code":"unauthenticated"}`)
	writer, kept := buffered(t, BufferOptions{MaxBatch: 1, MaxPending: 2}, denied, denied)
	add(t, writer, "1", "2")
	err := writer.Add(background, &AddMemoryRequest{Content: "3"})
	same(t, failuresOf(err), []string{"1", "2"})
	add(t, writer, "3")
	if err := writer.Close(background); err != nil {
		t.Error(err)
	}
	same(t, kept.stored(), []string{"3"})
}

func TestAClosedWriterTakesNothing(t *testing.T) {
	writer, _ := buffered(t, BufferOptions{})
	if err := writer.Close(background); err != nil {
		t.Fatal(err)
	}
	if err := writer.Add(background, &AddMemoryRequest{Content: "1"}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestAddRefusesWhatCannotBeSent(t *testing.T) {
	writer, _ := buffered(t, BufferOptions{})
	for _, request := range []*AddMemoryRequest{nil, {Importance: math.Inf(1)}} {
		if err := writer.Add(background, request); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%v", err)
		}
	}
	same(t, writer.Pending(), 0)
}

func TestManyGoroutinesAddFlushAndClose(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{MaxBatch: 7, MaxPending: 20, MaxDelay: time.Millisecond}, busy, cutOff)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for number := range 25 {
				if err := writer.Add(background, &AddMemoryRequest{Content: fmt.Sprintf("%d/%d", worker, number)}); err != nil {
					t.Error(err)
				}
			}
			_ = writer.Flush(background)
			writer.Counts()
		}()
	}
	group.Wait()
	if err := writer.Close(background); err != nil {
		t.Error(err)
	}
	same(t, len(kept.stored()), 200)
	same(t, writer.Counts(), WriteCounts{Created: 200})
}

func TestOptionsHaveDefaultsAndLimits(t *testing.T) {
	writer := New("http://127.0.0.1:1", "").Buffered(nil)
	same(t, writer.options, BufferOptions{200, 500 * time.Millisecond, 10_000, 64 << 20, nil})
	if err := writer.Close(background); err != nil {
		t.Error(err)
	}
	larger := New("http://127.0.0.1:1", "").Buffered(&BufferOptions{MaxBatch: 5000})
	same(t, larger.options.MaxBatch, 1000)
	_ = larger.Close(background)
	same(t, larger.pause(1, nil) <= time.Second, true)
}

func TestPausesGrowUpToALimitAndHeedTheServer(t *testing.T) {
	for tries, expected := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 5000: 30 * time.Second} {
		same(t, pauseAfter(tries, errors.New("x"), 1), expected)
		same(t, pauseAfter(tries, errors.New("x"), 0), expected/2)
	}
	same(t, pauseAfter(1, &APIError{RetryAfter: time.Minute}, 0), time.Minute)
	same(t, pauseAfter(1, &APIError{RetryAfter: time.Hour}, 0), 5*time.Minute)
}
