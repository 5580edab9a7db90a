package sdk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"
)

const (
	defaultBatchSize  = 100
	largestBatchSize  = 1000
	defaultInterval   = time.Second
	defaultMaxPending = 10_000
	batchBytes        = 3 << 20 // a server takes 4 MB
	pendingBytes      = 64 << 20
)

// BufferOptions say how memories are put together. What is 0 has its default.
type BufferOptions struct {
	// BatchSize is how many memories are sent at once at most: 100, up to 1,000.
	BatchSize int
	// Interval is how long a memory waits for others: a second.
	Interval time.Duration
	// MaxPending is how many memories may wait, failed ones that nobody has taken included: 10,000. Beyond it, and
	// beyond 64 MB, Add waits.
	MaxPending int
	// OnFailure is handed each memory that was given up, once, in the writer's own goroutine. It must not call the
	// writer. Without it Flush and Close return them.
	OnFailure func(FailedMemory)
}

// FailedMemory is a memory that was not stored, and why.
type FailedMemory struct {
	Request AddMemoryRequest
	Err     error
}

// BufferError says that memories were not stored.
type BufferError struct {
	// Count is how many.
	Count int
	// Failed holds them, in order, save those that OnFailure was handed.
	Failed []FailedMemory
	// Err is why the first of them failed.
	Err error
}

// Error says how many, and why the first.
func (e *BufferError) Error() string {
	return fmt.Sprintf("memtrace: %d memories were not stored; the first: %v", e.Count, e.Err)
}

// Unwrap is why the first failed.
func (e *BufferError) Unwrap() error { return e.Err }

// BufferStats counts memories since the writer was made. Added is the sum of the others.
type BufferStats struct {
	Added      int
	Stored     int
	Duplicates int
	Failed     int
	Pending    int
}

// BufferedWriter stores memories in batches, in a goroutine of its own, in the order in which they were added.
//
// A memory that was added is stored, or is a duplicate, or is told as failed: by OnFailure, else by Flush or Close.
// While a server cannot be reached, or cannot take them, memories wait and are sent again; those that it refuses fail
// at once and hold up no other. It must be closed. It is safe for use by many goroutines at once.
type BufferedWriter struct {
	client  *Client
	options BufferOptions
	context context.Context // of all requests; ended when Close runs out of time
	cancel  context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever something below changes
	queue   []entry       // not put into a batch yet
	work    []*batch      // to be sent, in this order
	bytes   int
	stats   BufferStats
	failed  []FailedMemory
	untold  int       // failures that no Flush has counted
	cause   error     // of the first of them
	asked   int       // do not wait for others until so many of the added are settled
	stuck   error     // why the last attempt changed nothing for now; nil after one that did
	tries   int       // attempts in a row that were stuck
	stalls  int       // attempts ever that were stuck
	resume  time.Time // when to try again after one
	closed  bool

	pause func(tries int, stuck error) time.Duration
}

// Buffered makes a writer; nil options are the defaults.
func (c *Client) Buffered(options *BufferOptions) *BufferedWriter {
	settled := valueOf(options)
	settled.BatchSize = min(largestBatchSize, orDefault(settled.BatchSize, defaultBatchSize))
	settled.Interval = orDefault(settled.Interval, defaultInterval)
	settled.MaxPending = orDefault(settled.MaxPending, defaultMaxPending)
	ctx, cancel := context.WithCancel(context.Background())
	writer := &BufferedWriter{
		client:  c,
		options: settled,
		context: ctx,
		cancel:  cancel,
		done:    make(chan struct{}),
		changed: make(chan struct{}),
		pause:   func(tries int, stuck error) time.Duration { return pauseAfter(tries, stuck, c.random()) },
	}
	go writer.run()
	return writer
}

// Add takes a copy of a memory to be stored. It waits while too many are pending, until the context ends; then, after
// Close, and for what cannot be written as JSON, it returns an error and has not taken the memory.
func (w *BufferedWriter) Add(ctx context.Context, request *AddMemoryRequest) error {
	if request == nil {
		return refused("", "there is no memory")
	}
	body, err := encode(request)
	if err != nil {
		return err
	}
	for {
		changed, err := w.take(entry{request: *request, body: body, added: time.Now()})
		if changed == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return w.tooFull(ctx.Err())
		}
	}
}

// Flush sends what was added before without further delay, and returns when all of it is settled. What was refused is
// a *BufferError. If the server cannot take the memories now, or the context ends, that is the error, and they wait on.
func (w *BufferedWriter) Flush(ctx context.Context) error {
	target, stalls := w.ask()
	for {
		changed, err := w.settledSince(target, stalls)
		if changed == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("memtrace: flush: %w", ctx.Err())
		}
	}
}

// Close takes no more memories, sends what is pending and returns when the writer has ended. What was not stored, also
// because the context ended first, is a *BufferError: nothing is lost without a word. Closing again says the same.
func (w *BufferedWriter) Close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed, w.tries, w.resume = true, 0, time.Time{}
		w.notify()
	}
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-ctx.Done():
		w.cancel()
		<-w.done
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bufferError()
}

// Stats says what became of the memories so far.
func (w *BufferedWriter) Stats() BufferStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// take puts an entry into the queue. Where there is no room it returns what to wait for.
func (w *BufferedWriter) take(one entry) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	pending := w.stats.Pending
	if pending+len(w.failed) >= w.options.MaxPending || (pending > 0 && w.bytes+len(one.body) > pendingBytes) {
		return w.changed, nil
	}
	w.queue = append(w.queue, one)
	w.bytes += len(one.body)
	w.stats.Added++
	w.stats.Pending++
	w.notify()
	return nil, nil
}

// tooFull says why there was no room.
func (w *BufferedWriter) tooFull(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.failed) > 0:
		return fmt.Errorf("memtrace: the buffer is full, %d of it failed and wait for Flush: %w", len(w.failed), err)
	case w.stuck != nil:
		return fmt.Errorf("memtrace: the buffer is full: %w; the last attempt: %w", err, w.stuck)
	}
	return fmt.Errorf("memtrace: the buffer is full: %w", err)
}

// ask says that all that was added should be settled, and what to look for.
func (w *BufferedWriter) ask() (target, stalls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.resume = w.stats.Added, time.Time{}
	w.notify()
	return w.asked, w.stalls
}

// settledSince returns what to wait for while a flush is neither done nor stuck.
func (w *BufferedWriter) settledSince(target, stalls int) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stats.Added-w.stats.Pending >= target:
		return nil, w.takeFailures()
	case w.stuck != nil && w.stalls > stalls:
		return nil, fmt.Errorf("memtrace: %d memories wait on: %w", w.stats.Pending, w.stuck)
	}
	return w.changed, nil
}

// takeFailures hands over what failed, once.
func (w *BufferedWriter) takeFailures() error {
	err := w.bufferError()
	w.failed, w.untold, w.cause = nil, 0, nil
	w.notify()
	return err
}

func (w *BufferedWriter) bufferError() error {
	if w.untold == 0 {
		return nil
	}
	return &BufferError{Count: w.untold, Failed: w.failed, Err: w.cause}
}

func (w *BufferedWriter) notify() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// pauseAfter is how long the writer waits after attempts that changed nothing: longer each time, up to half a minute,
// or as long as the server says, up to five.
func pauseAfter(tries int, stuck error, random float64) time.Duration {
	wait := time.Duration(min(30, math.Pow(2, float64(tries-1))) * (1 + random) / 2 * float64(time.Second))
	var answer *APIError
	if errors.As(stuck, &answer) {
		return max(wait, min(answer.RetryAfter, 5*time.Minute))
	}
	return wait
}

// comesToPass says whether the same request may succeed later on.
func comesToPass(err error) bool {
	var answer *APIError
	if !errors.As(err, &answer) {
		return true
	}
	if answer.Code == "store_refused" {
		return false
	}
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return answer.StatusCode >= http.StatusInternalServerError || answer.Code == codeInvalidResponse
}
