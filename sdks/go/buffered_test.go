package sdk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

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

func TestCloseTellsEverythingThatADeadServerDidNotTake(t *testing.T) {
	writer, kept := buffered(t, BufferOptions{MaxBatch: 2})
	kept.down = true
	writer.mu.Lock()
	writer.patience = 20 * time.Millisecond
	writer.mu.Unlock()
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
	same(t, writer.options, BufferOptions{200, 500 * time.Millisecond, 10_000, 64 << 20, nil, nil})
	if err := writer.Close(background); err != nil {
		t.Error(err)
	}
	larger := New("http://127.0.0.1:1", "").Buffered(&BufferOptions{MaxBatch: 5000})
	same(t, larger.options.MaxBatch, 1000)
	_ = larger.Close(background)
	same(t, larger.pause(1, nil) <= time.Second, true)
}
