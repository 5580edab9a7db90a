package sdk

import (
	"bytes"
	"errors"
	"net/http"
	"time"
)

const triesWhileClosing = 3

// entry is a memory on its way, as it is and as it is sent.
type entry struct {
	request AddMemoryRequest
	body    []byte
	added   time.Time
}

// batch is sent as it is until it is settled, under one Idempotency-Key, so that it is stored once.
type batch struct {
	entries []entry
	key     string
}

func newBatch(entries []entry) *batch { return &batch{entries: entries, key: newKey()} }

func (b *batch) body() []byte {
	bodies := make([][]byte, len(b.entries))
	for i, one := range b.entries {
		bodies[i] = one.body
	}
	return append(append([]byte(`{"memories":[`), bytes.Join(bodies, []byte(","))...), "]}"...)
}

func (b *batch) request() *call {
	return &call{method: http.MethodPost, path: "/memories", body: b.body(), key: b.key}
}

// without splits a batch that was refused: off the memory that the answer names, else in two. A single memory is the
// one that is wrong.
func (b *batch) without(answer *APIError) (rest []*batch, wrong []entry) {
	count := len(b.entries)
	splits := answer.StatusCode == http.StatusBadRequest || errors.Is(answer, ErrTooLarge)
	switch {
	case count == 1 || !splits:
		return nil, b.entries
	case answer.Index != nil && *answer.Index >= 0 && *answer.Index < count:
		at := *answer.Index
		left := append(append([]entry(nil), b.entries[:at]...), b.entries[at+1:]...)
		return []*batch{newBatch(left)}, b.entries[at : at+1]
	}
	return []*batch{newBatch(b.entries[:count/2]), newBatch(b.entries[count/2:])}, nil
}

// run sends batches until the writer is closed and nothing is pending.
func (w *BufferedWriter) run() {
	defer close(w.done)
	defer w.cancel()
	for {
		next := w.await()
		if next == nil {
			return
		}
		answer, err := exchange[Batch](w.context, w.client, next.request())
		w.settle(next, answer, err)
	}
}

// await returns the next batch once it is due, nil at the end.
func (w *BufferedWriter) await() *batch {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, wait, changed := w.due(time.Now())
		if next != nil || changed == nil {
			return next
		}
		timer.Reset(wait)
		select {
		case <-changed:
		case <-timer.C:
		}
	}
}

// due returns the batch to be sent now, else how long to wait unless something changes; neither at the end.
func (w *BufferedWriter) due(now time.Time) (*batch, time.Duration, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stats.Pending == 0 {
		if w.closed {
			return nil, 0, nil
		}
		return nil, time.Hour, w.changed
	}
	at := w.resume
	if !w.ready() {
		at = w.queue[0].added.Add(w.options.Interval)
	}
	if now.Before(at) {
		return nil, at.Sub(now), w.changed
	}
	if len(w.work) == 0 {
		w.work = append(w.work, newBatch(w.gather()))
	}
	return w.work[0], 0, nil
}

// ready says that there is no point in waiting for more memories.
func (w *BufferedWriter) ready() bool {
	settled := w.stats.Added - w.stats.Pending
	return len(w.work) > 0 || len(w.queue) >= w.options.BatchSize || w.bytes >= batchBytes || w.closed || settled < w.asked
}

// gather takes the oldest memories off the queue, as many as go into one batch.
func (w *BufferedWriter) gather() []entry {
	count, size := 0, 0
	for count < min(len(w.queue), w.options.BatchSize) {
		size += len(w.queue[count].body) + 1
		if count > 0 && size > batchBytes {
			break
		}
		count++
	}
	entries := append([]entry(nil), w.queue[:count]...)
	clear(w.queue[:count])
	w.queue = w.queue[count:]
	return entries
}

// settle notes what became of a batch.
func (w *BufferedWriter) settle(sent *batch, answer *Batch, err error) {
	var refusal *APIError
	switch {
	case err == nil:
		w.stored(sent, answer)
	case comesToPass(err):
		w.giveUp(w.stall(err), err)
	case errors.As(err, &refusal):
		rest, wrong := sent.without(refusal)
		w.giveUp(wrong, err)
		w.replace(rest)
	}
}

func (w *BufferedWriter) stored(sent *batch, answer *Batch) {
	w.mu.Lock()
	stored := min(len(answer.Memories), len(sent.entries))
	w.stats.Stored += stored
	w.stats.Duplicates += len(sent.entries) - stored
	w.settled(sent.entries)
	w.mu.Unlock()
	w.replace(nil)
}

// replace puts others, or none, in the place of the batch that was sent.
func (w *BufferedWriter) replace(rest []*batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.work = append(rest, w.work[1:]...)
	w.stuck, w.tries = nil, 0
	w.notify()
}

// stall keeps the batch for another attempt. While closing, the third in a row is the last, and all that is pending
// is returned, to be given up.
func (w *BufferedWriter) stall(err error) []entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries++
	if w.closed && (w.tries >= triesWhileClosing || w.context.Err() != nil) {
		var left []entry
		for _, one := range w.work {
			left = append(left, one.entries...)
		}
		left = append(left, w.queue...)
		w.work, w.queue = nil, nil
		return left
	}
	w.stalls++
	w.stuck = err
	w.resume = time.Now().Add(w.pause(w.tries, err))
	w.notify()
	return nil
}

// giveUp tells of memories that are not stored: their owner first, so that they are settled only when it knows.
func (w *BufferedWriter) giveUp(entries []entry, err error) {
	failed := make([]FailedMemory, len(entries))
	for i, one := range entries {
		failed[i] = FailedMemory{Request: one.request, Err: err}
	}
	if w.options.OnFailure != nil {
		for _, one := range failed {
			w.options.OnFailure(one)
		}
		failed = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(entries) > 0 && w.untold == 0 {
		w.cause = err
	}
	w.failed = append(w.failed, failed...)
	w.untold += len(entries)
	w.stats.Failed += len(entries)
	w.settled(entries)
}

// settled takes memories out of the count of what is pending.
func (w *BufferedWriter) settled(entries []entry) {
	w.stats.Pending -= len(entries)
	for _, one := range entries {
		w.bytes -= len(one.body)
	}
	w.notify()
}
