package sdk

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	defaultMaxBatch        = 200
	largestMaxBatch        = 1000
	defaultMaxDelay        = 500 * time.Millisecond
	defaultMaxPending      = 10_000
	defaultMaxPendingBytes = 64 << 20
	longestClose           = time.Minute
)

// BufferOptions say how memories are put together. What is 0 has its default.
type BufferOptions struct {
	// MaxBatch is how many memories are sent at once: 200, up to 1,000.
	MaxBatch int
	// MaxDelay is how long a memory waits for others: half a second.
	MaxDelay time.Duration
	// MaxPending is how many memories the buffer holds, failures that nobody was told of among them: 10,000.
	MaxPending int
	// MaxPendingBytes is how large they may be together: 64 MB.
	MaxPendingBytes int
	// OnResult is told what became of each memory, in the writer's own goroutine. It must not call the writer. Without
	// it failures are the error of the next Flush or Close.
	OnResult func(WriteResult)
	// OnRetry is told, in the same goroutine, each time that the server could not take memories for now. It must not
	// call the writer either.
	OnRetry func(error)
}

// What becomes of a memory.
const (
	StatusCreated   = "created"
	StatusDuplicate = "duplicate"
	StatusFailed    = "failed"
)

// WriteResult is what became of one memory. ID is that of the stored one, where the server tells it. A memory that
// failed because its connection did may be stored all the same.
type WriteResult struct {
	Request AddMemoryRequest
	Status  string
	ID      string
	Err     error // why it failed
}

// WriteCounts counts the memories that a writer has settled.
type WriteCounts struct {
	Created    int
	Duplicates int
	Failed     int
}

// BufferedWriteError holds the memories that were not stored, in order, each with its reason.
type BufferedWriteError struct {
	Failures []WriteResult
}

// Error says how many, and why the first.
func (e *BufferedWriteError) Error() string {
	return fmt.Sprintf("memtrace: %d memories were not stored; the first: %v", len(e.Failures), e.Failures[0].Err)
}

// Unwrap is why the first failed.
func (e *BufferedWriteError) Unwrap() error { return e.Failures[0].Err }

// BufferedWriter stores memories in batches, in a goroutine of its own, in the order in which they were added.
//
// A memory that was added is stored, or is a duplicate, or is told as failed: to OnResult, else by Flush or Close.
// While the server cannot be reached, or cannot take them, memories wait and are sent again; those that it refuses fail
// at once and hold up no other. It must be closed. It is safe for use by many goroutines at once.
type BufferedWriter struct {
	client     *Client
	options    BufferOptions
	batchBytes int
	pause      func(tries int, stuck error) time.Duration
	patience   time.Duration   // of Close, where its context has no deadline
	context    context.Context // of all requests; ended when Close runs out of time
	cancel     context.CancelFunc
	done       chan struct{}

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced whenever something below changes
	queue      []entry       // not in a batch yet
	queueBytes int
	work       []*batch // to be sent, in this order
	held       int      // bytes of what is pending, and of failures
	failures   []WriteResult
	spoilt     int // bytes of failures
	added      int
	counts     WriteCounts
	asked      int       // do not wait for others until so many of the added are settled
	stuck      error     // why the last attempt changed nothing for now; nil after one that did
	tries      int       // attempts in a row that were stuck
	stalls     int       // attempts ever that were stuck
	resume     time.Time // when to try again after one
	closed     bool
}

// Buffered makes a writer; nil options are the defaults.
func (c *Client) Buffered(options *BufferOptions) *BufferedWriter {
	settled := valueOf(options)
	settled.MaxBatch = min(largestMaxBatch, orDefault(settled.MaxBatch, defaultMaxBatch))
	settled.MaxDelay = orDefault(settled.MaxDelay, defaultMaxDelay)
	settled.MaxPending = orDefault(settled.MaxPending, defaultMaxPending)
	settled.MaxPendingBytes = orDefault(settled.MaxPendingBytes, defaultMaxPendingBytes)
	ctx, cancel := context.WithCancel(context.Background())
	writer := &BufferedWriter{
		client:     c,
		options:    settled,
		batchBytes: largestBatch,
		pause:      func(tries int, stuck error) time.Duration { return pauseAfter(tries, stuck, c.random()) },
		patience:   longestClose,
		context:    ctx,
		cancel:     cancel,
		done:       make(chan struct{}),
		changed:    make(chan struct{}),
	}
	go writer.run()
	return writer
}

// Add takes a memory as it is now. While the buffer is full it waits, until the context ends.
//
// With an error it has not taken the memory: ErrClosed after Close, an ErrInvalidRequest for what cannot be written as
// JSON, a *BufferedWriteError where the buffer is full of failures that nobody was told of, or the context's.
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
			return w.full(ctx.Err())
		}
	}
}

// Flush sends what was added before without further delay, and returns when all of it is settled. The failures that
// nobody was told of are a *BufferedWriteError. If the server cannot take the memories now, or the context ends, that
// is the error, and they wait on.
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

// Close takes no more memories, sends what is pending and returns when the writer has ended. While the server cannot
// take it, it tries on until the context ends, for a minute where that has no deadline. Nothing is lost without a word:
// what was not stored then was told to OnResult or is a *BufferedWriteError. Closing again returns nil.
func (w *BufferedWriter) Close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed, w.tries, w.resume = true, 0, time.Time{}
		w.notify()
	}
	patience := w.patience
	w.mu.Unlock()
	if _, limited := ctx.Deadline(); !limited {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ctx = bounded
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		w.giveUp()
		<-w.done
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tell()
}

// Pending is how many memories are neither stored nor known to have failed.
func (w *BufferedWriter) Pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending()
}

// Counts says what became of the others.
func (w *BufferedWriter) Counts() WriteCounts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

// take puts an entry into the queue. Where there is no room it returns what to wait for.
func (w *BufferedWriter) take(one entry) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	number := w.pending() + len(w.failures)
	switch {
	case number == 0: // one memory always fits, however large
	case number < w.options.MaxPending && w.held+len(one.body) <= w.options.MaxPendingBytes:
	case w.pending() == 0:
		return nil, w.tell()
	default:
		return w.changed, nil
	}
	w.queue = append(w.queue, one)
	w.queueBytes += len(one.body)
	w.held += len(one.body)
	w.added++
	w.notify()
	return nil, nil
}

// full says why there was no room.
func (w *BufferedWriter) full(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stuck != nil {
		return fmt.Errorf("memtrace: the buffer is full: %w; the last attempt: %w", err, w.stuck)
	}
	return fmt.Errorf("memtrace: the buffer is full: %w", err)
}

// ask says that all that was added is to be settled now, and what to look for.
func (w *BufferedWriter) ask() (target, stalls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.resume = w.added, time.Time{}
	w.notify()
	return w.asked, w.stalls
}

// settledSince returns what to wait for while a flush is neither done nor stuck.
func (w *BufferedWriter) settledSince(target, stalls int) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.settled() >= target:
		return nil, w.tell()
	case w.stuck != nil && w.stalls > stalls:
		return nil, fmt.Errorf("memtrace: %d memories wait on: %w", w.pending(), w.stuck)
	}
	return w.changed, nil
}

// tell returns the failures that nobody was told of; they leave the buffer.
func (w *BufferedWriter) tell() error {
	if len(w.failures) == 0 {
		return nil
	}
	err := &BufferedWriteError{Failures: w.failures}
	w.held -= w.spoilt
	w.failures, w.spoilt = nil, 0
	w.notify()
	return err
}

func (w *BufferedWriter) settled() int {
	return w.counts.Created + w.counts.Duplicates + w.counts.Failed
}

func (w *BufferedWriter) pending() int { return w.added - w.settled() }

// notify wakes everybody who waits for a change.
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
