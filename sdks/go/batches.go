package sdk

import (
	"bytes"
	"errors"
	"math"
	"net/http"
	"time"
)

const (
	largestBatch      = 1 << 20 // bytes; a server takes 4 MB
	longestPause      = 30 * time.Second
	longestAskedPause = 5 * time.Minute
)

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

func (b *batch) request() *call {
	bodies := make([][]byte, len(b.entries))
	for i, one := range b.entries {
		bodies[i] = one.body
	}
	body := append(append([]byte(`{"memories":[`), bytes.Join(bodies, []byte(","))...), "]}"...)
	return &call{method: http.MethodPost, path: "/memories", body: body, key: b.key}
}

// stored says what became of each memory. A server without results leaves duplicates out of what it created, and keeps
// the order.
func (b *batch) stored(answer *AddedMemories) []WriteResult {
	results := make([]WriteResult, len(b.entries))
	created := answer.Memories
	for i, one := range b.entries {
		results[i] = WriteResult{Request: one.request, Status: StatusDuplicate}
		switch {
		case len(answer.Results) == len(b.entries):
			results[i].ID = answer.Results[i].ID
			if answer.Results[i].Status != StatusDuplicate { // one of a newer server is one of a memory that is stored
				results[i].Status = StatusCreated
			}
		case len(created) > 0 && created[0].AgentID == one.request.AgentID && created[0].Content == one.request.Content:
			results[i].Status, results[i].ID = StatusCreated, created[0].ID
			created = created[1:]
		}
	}
	return results
}

// apart splits a batch that was refused for one of its memories, or for its size: off the memory that the answer
// names, else in two. Without a rest, all of it is wrong.
func (b *batch) apart(answer *APIError) (rest []*batch, wrong []entry) {
	count := len(b.entries)
	if count == 1 || !refusesParts(answer) {
		return nil, b.entries
	}
	if answer.Index == nil || *answer.Index < 0 || *answer.Index >= count {
		return []*batch{newBatch(b.entries[:count/2]), newBatch(b.entries[count/2:])}, nil
	}
	at := *answer.Index
	for _, part := range [][]entry{b.entries[:at], b.entries[at+1:]} {
		if len(part) > 0 {
			rest = append(rest, newBatch(part))
		}
	}
	return rest, b.entries[at : at+1]
}

func refusesParts(answer *APIError) bool {
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func failed(entries []entry, err error) []WriteResult {
	results := make([]WriteResult, len(entries))
	for i, one := range entries {
		results[i] = WriteResult{Request: one.request, Status: StatusFailed, Err: err}
	}
	return results
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
		answer, err := exchange[AddedMemories](w.context, w.client, next.request())
		w.conclude(next, answer, err)
	}
}

// await returns the next batch once it is due, nil at the end.
func (w *BufferedWriter) await() *batch {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, wait, changed := w.due(time.Now())
		if changed == nil {
			return next
		}
		timer.Reset(wait)
		select {
		case <-changed:
		case <-timer.C:
		}
	}
}

// due returns the batch to be sent now, else how long to wait for it unless something changes; neither at the end.
func (w *BufferedWriter) due(now time.Time) (*batch, time.Duration, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending() == 0 {
		if w.closed {
			return nil, 0, nil
		}
		return nil, time.Hour, w.changed
	}
	at := w.resume
	if !w.hurries() {
		at = w.queue[0].added.Add(w.options.MaxDelay)
	}
	if now.Before(at) {
		return nil, at.Sub(now), w.changed
	}
	if len(w.work) == 0 {
		w.work = append(w.work, newBatch(w.gather()))
	}
	return w.work[0], 0, nil
}

// hurries says that there is no point in waiting for more memories.
func (w *BufferedWriter) hurries() bool {
	return len(w.work) > 0 || w.closed || w.settled() < w.asked ||
		len(w.queue) >= w.options.MaxBatch || w.queueBytes >= w.batchBytes
}

// gather takes the oldest memories off the queue, as many as go into one batch.
func (w *BufferedWriter) gather() []entry {
	count, size := 0, 0
	for count < min(len(w.queue), w.options.MaxBatch) {
		size += len(w.queue[count].body) + 1
		if count > 0 && size > w.batchBytes {
			break
		}
		w.queueBytes -= len(w.queue[count].body)
		count++
	}
	entries := append([]entry(nil), w.queue[:count]...)
	clear(w.queue[:count])
	w.queue = w.queue[count:]
	return entries
}

// conclude notes what came of sending a batch.
func (w *BufferedWriter) conclude(sent *batch, answer *AddedMemories, err error) {
	if err == nil {
		w.settle(sent.entries, sent.stored(answer))
		w.advance(nil)
		return
	}
	var refusal *APIError
	if comesToPass(err) || !errors.As(err, &refusal) {
		left, reason := w.stall(err)
		w.settle(left, failed(left, reason))
		if len(left) == 0 && w.options.OnRetry != nil {
			w.options.OnRetry(err)
		}
		return
	}
	rest, wrong := sent.apart(refusal)
	w.settle(wrong, failed(wrong, err))
	w.advance(rest)
}

// settle tells what became of memories: their owner first, so that they are settled only when it knows.
func (w *BufferedWriter) settle(entries []entry, results []WriteResult) {
	told := w.options.OnResult != nil
	if told {
		for _, result := range results {
			w.options.OnResult(result)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, result := range results {
		size := len(entries[i].body)
		if result.Status == StatusFailed && !told {
			w.failures = append(w.failures, result)
			w.spoilt += size
		} else {
			w.held -= size
		}
		switch result.Status {
		case StatusFailed:
			w.counts.Failed++
		case StatusCreated:
			w.counts.Created++
		default:
			w.counts.Duplicates++
		}
	}
	w.notify()
}

// advance puts others, or none, in the place of the batch that was sent.
func (w *BufferedWriter) advance(rest []*batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.work = append(rest, w.work[1:]...)
	w.stuck, w.tries = nil, 0
	w.notify()
}

// stall keeps the batch for another attempt. When Close is out of time, all that is pending is returned, to be given up
// for what the last attempt failed for.
func (w *BufferedWriter) stall(err error) ([]entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.context.Err() == nil {
		w.tries++
		w.stalls++
		w.stuck = err
		w.resume = time.Now().Add(w.pause(w.tries, err))
		w.notify()
		return nil, nil
	}
	if w.stuck != nil {
		err = w.stuck
	}
	var left []entry
	for _, one := range w.work {
		left = append(left, one.entries...)
	}
	left = append(left, w.queue...)
	w.work, w.queue = nil, nil
	return left, err
}

// giveUp ends the request under way, and the pause before the next.
func (w *BufferedWriter) giveUp() {
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resume = time.Time{}
	w.notify()
}

// pauseAfter is how long a writer waits after attempts that changed nothing: longer each time, up to half a minute, or
// as long as the server says, up to five.
func pauseAfter(tries int, stuck error, random float64) time.Duration {
	wait := min(longestPause.Seconds(), math.Pow(2, float64(tries-1))) * (1 + random) / 2
	pause := time.Duration(wait * float64(time.Second))
	var answer *APIError
	if errors.As(stuck, &answer) {
		pause = max(pause, min(answer.RetryAfter, longestAskedPause))
	}
	return pause
}

// comesToPass says whether the same request may soon succeed as it is.
func comesToPass(err error) bool {
	var answer *APIError
	if !errors.As(err, &answer) {
		return true
	}
	switch answer.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return worthRepeating(answer)
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return answer.StatusCode >= http.StatusInternalServerError || answer.Code == codeInvalidResponse
}
