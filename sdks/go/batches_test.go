package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

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

func TestAStatusOfANewerServerIsThatOfAStoredMemory(t *testing.T) {
	var statuses []string
	writer, kept := buffered(t, BufferOptions{OnResult: func(r WriteResult) { statuses = append(statuses, r.Status) }})
	kept.created = "merged"
	add(t, writer, "1")
	if err := writer.Close(background); err != nil {
		t.Fatal(err)
	}
	same(t, statuses, []string{"created"})
	same(t, writer.Counts(), WriteCounts{Created: 1})
}

func TestFaultsThatPassLoseNothingAndStoreNothingTwice(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"busy":          busy,
		"limited":       answer(429, `{"error":"slower","code":"rate_limited"}`),
		"slow":          answer(408, `{"error":"too slow","code":"request_timeout"}`),
		"broken":        answer(500, `{"error":"oh","code":"internal_error"}`),
		"cut off":       cutOff,
		"another's":     answer(200, "<html>log in</html>"),
		"another API's": answer(201, `{"status":"ok"}`),
		"a redirect":    answer(301, ""),
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

func TestCloseTriesOnUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	turns := 0
	writer, kept := buffered(t, BufferOptions{OnRetry: func(err error) {
		if turns++; turns == 20 || !errors.Is(err, ErrUnavailable) {
			cancel()
		}
	}})
	kept.down = true
	writer.mu.Lock()
	writer.pause = func(turn int, _ error) time.Duration { return time.Duration(turn/20) * time.Hour }
	writer.mu.Unlock()
	add(t, writer, "1", "2")
	err := writer.Close(ctx)
	same(t, failuresOf(err), []string{"1", "2"})
	same(t, errors.Is(err, ErrUnavailable), true)
	same(t, turns, 20)
}

func TestALongOutageIsRiddenOver(t *testing.T) {
	var outage []http.HandlerFunc
	for range 50 {
		outage = append(outage, busy)
	}
	writer, kept := buffered(t, BufferOptions{MaxBatch: 2}, outage...)
	add(t, writer, "1", "2", "3")
	if err := writer.Close(background); err != nil {
		t.Fatal(err)
	}
	same(t, kept.stored(), []string{"1", "2", "3"})
	same(t, len(kept.bodies), 2)
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

func TestPausesGrowUpToALimitAndHeedTheServer(t *testing.T) {
	for tries, expected := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 5000: 30 * time.Second} {
		same(t, pauseAfter(tries, errors.New("x"), 1), expected)
		same(t, pauseAfter(tries, errors.New("x"), 0), expected/2)
	}
	same(t, pauseAfter(1, &APIError{RetryAfter: time.Minute}, 0), time.Minute)
	same(t, pauseAfter(1, &APIError{RetryAfter: time.Hour}, 0), 5*time.Minute)
}
