package sdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// call is one request, whatever number of attempts it takes.
type call struct {
	method string
	path   string // below /api/v1, escaped
	query  url.Values
	body   []byte
	key    string // the Idempotency-Key of all attempts
}

func (r *call) op() string { return r.method + " " + prefix + r.path }

const (
	prefix     = "/api/v1"
	longestKey = 255
)

// get asks and decodes the answer.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	return exchange[T](ctx, c, &call{method: http.MethodGet, path: path, query: query})
}

// send encodes the body, asks and decodes the answer.
func send[T any](ctx context.Context, c *Client, method, path string, body any) (*T, error) {
	encoded, err := encode(body)
	if err != nil {
		return nil, err
	}
	return exchange[T](ctx, c, &call{method: method, path: path, body: encoded})
}

// create is send for what must happen once: all attempts carry one Idempotency-Key, made here where none is given.
func create[T any](ctx context.Context, c *Client, path string, body any, key string) (*T, error) {
	encoded, err := encode(body)
	if err != nil {
		return nil, err
	}
	switch {
	case key == "":
		key = newKey()
	case len(key) > longestKey || !isPrintable(key):
		return nil, refused("Idempotency-Key", "an idempotency key has 1 to 255 printable ASCII characters")
	}
	return exchange[T](ctx, c, &call{method: http.MethodPost, path: path, body: encoded, key: key})
}

func exchange[T any](ctx context.Context, c *Client, request *call) (*T, error) {
	value := new(T)
	if err := c.do(ctx, request, value); err != nil {
		return nil, err
	}
	return value, nil
}

// do makes attempts until one is answered, or none is worth making, and decodes the answer into value, which may be
// nil. What comes out is an *APIError, a *TransportError, or the error of the context.
func (c *Client) do(ctx context.Context, request *call, value any) error {
	if c.invalid != nil {
		return c.invalid
	}
	for number := 0; ; number++ {
		failure := c.attempt(ctx, request, value)
		if failure == nil || ctx.Err() != nil || number >= c.retries {
			return failure
		}
		wait, again := waitBefore(failure, number, c.random())
		if !again || endsWithin(ctx, wait) {
			return failure
		}
		if err := c.sleep(ctx, wait); err != nil {
			return fmt.Errorf("memtrace: %s: %w while waiting to try again after: %w", request.op(), err, failure)
		}
	}
}

// endsWithin says whether the context's time is up before a wait is over.
func endsWithin(ctx context.Context, wait time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return limited && time.Until(deadline) < wait
}

func (c *Client) attempt(ctx context.Context, request *call, value any) error {
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if c.timeout > 0 {
		bounded, cancel = context.WithTimeout(ctx, c.timeout)
	}
	defer cancel()
	status, header, body, err := c.roundTrip(bounded, request)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("memtrace: %s: %w", request.op(), ctx.Err())
	case errors.Is(err, errTooLong):
		return unreadable(status, header, err)
	case err != nil:
		return &TransportError{Op: request.op(), Err: err}
	case status >= 400:
		return errorOf(status, header, body)
	case status < 200 || status > 299:
		return unreadable(status, header, errRedirected)
	}
	if err := decode(body, value); err != nil {
		return unreadable(status, header, err)
	}
	return nil
}

// roundTrip returns an answer that was read whole.
func (c *Client) roundTrip(ctx context.Context, request *call) (int, http.Header, []byte, error) {
	prepared, err := c.prepare(ctx, request)
	if err != nil {
		return 0, nil, nil, err
	}
	answer, err := c.http.Do(prepared)
	if err != nil {
		return 0, nil, nil, inner(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.largestAnswer+1))
	if err == nil && int64(len(body)) > c.largestAnswer {
		err = errTooLong
	}
	return answer.StatusCode, answer.Header, body, err
}

func (c *Client) prepare(ctx context.Context, request *call) (*http.Request, error) {
	address := c.baseURL + prefix + request.path
	if len(request.query) > 0 {
		address += "?" + request.query.Encode()
	}
	var body io.Reader
	if request.body != nil {
		body = bytes.NewReader(request.body)
	}
	prepared, err := http.NewRequestWithContext(ctx, request.method, address, body)
	if err != nil {
		return nil, inner(err)
	}
	c.authorize(prepared)
	prepared.Header.Set("Accept", "application/json")
	prepared.Header.Set("User-Agent", c.userAgent)
	if request.body != nil {
		prepared.Header.Set("Content-Type", "application/json")
	}
	if request.key != "" {
		prepared.Header.Set("Idempotency-Key", request.key)
	}
	return prepared, nil
}

// inner takes the address off, which may hold what was asked for.
func inner(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// newKey is as good as unique.
func newKey() string {
	var bytes [16]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		panic("memtrace: the system has no randomness: " + err.Error())
	}
	return hex.EncodeToString(bytes[:])
}

// segment escapes a part of a path. Empty ones and dots would ask for something else.
func segment(field, id string) (string, error) {
	switch id {
	case "":
		return "", refused(field, field+" is empty")
	case ".", "..":
		return "", refused(field, field+" cannot be "+id)
	}
	return url.PathEscape(id), nil
}
