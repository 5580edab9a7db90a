package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// What errors.Is tells apart. All but ErrTransport and ErrClosed are said of an *APIError.
var (
	// ErrInvalidRequest: something of the request is missing or wrong (400); Field says what.
	ErrInvalidRequest = errors.New("memtrace: invalid request")
	// ErrAuthentication: there is no API key, or none that is valid (401).
	ErrAuthentication = errors.New("memtrace: authentication failed")
	// ErrForbidden: the key lacks the permission (403).
	ErrForbidden = errors.New("memtrace: permission denied")
	// ErrNotFound: no such memory, agent, session or deletion (404).
	ErrNotFound = errors.New("memtrace: not found")
	// ErrConflict: a clash with what is there (409): a duplicate, a name that is taken.
	ErrConflict = errors.New("memtrace: conflict")
	// ErrDuplicate: an equal memory is there; ID names it. It is an ErrConflict as well.
	ErrDuplicate = errors.New("memtrace: duplicate memory")
	// ErrTooLarge: the request is beyond a limit of the server (413, 431).
	ErrTooLarge = errors.New("memtrace: request too large")
	// ErrRateLimited: more was sent than the rate allows (429); RetryAfter says when it may pass.
	ErrRateLimited = errors.New("memtrace: rate limited")
	// ErrNoArcInstance: the organization has no binding to a store (503). An operator must make one.
	ErrNoArcInstance = errors.New("memtrace: no arc instance configured")
	// ErrUnavailable: the server or its store cannot answer now (502, 503, 504), for other reasons than that.
	ErrUnavailable = errors.New("memtrace: unavailable")
	// ErrInvalidResponse: the answer was none that a Memtrace server gives.
	ErrInvalidResponse = errors.New("memtrace: invalid response")
	// ErrTransport: there was no answer: the connection failed, or the attempt timed out.
	ErrTransport = errors.New("memtrace: connection failed")
	// ErrClosed: the BufferedWriter takes no more memories.
	ErrClosed = errors.New("memtrace: the writer is closed")
)

// APIError is an answer of the server that says what went wrong.
type APIError struct {
	// StatusCode of the answer; 0 where the client refused the request before it was sent.
	StatusCode int
	// Code is a stable word for programs, as "not_found". Servers older than 0.3 send none.
	Code string
	// Message is one sentence for people.
	Message string
	// Hint is the way out, where there is one.
	Hint string
	// RequestID is the one in the server's log.
	RequestID string
	// RetryAfter is how long to wait before trying again; 0 where the answer does not say.
	RetryAfter time.Duration
	// Field is the field that is wrong, as "memories[3].tags[0]".
	Field string
	// Index is the memory of a batch that is wrong, from 0; nil where the answer names none.
	Index *int
	// ID is, of a duplicate, the memory that is there already.
	ID string
	// Policy is the rate that was exceeded, by its name in the RateLimit-Policy header.
	Policy string

	saysWhen bool // whether there was a Retry-After, which may be 0
}

// Error is the message with the status, the code, the hint and the request id.
func (e *APIError) Error() string {
	var text strings.Builder
	text.WriteString("memtrace: ")
	text.WriteString(e.Message)
	if e.Hint != "" {
		text.WriteString("; " + e.Hint)
	}
	var parts []string
	if e.StatusCode != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.StatusCode))
	}
	for _, part := range []string{e.Code, e.RequestID} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) > 0 {
		text.WriteString(" (" + strings.Join(parts, ", ") + ")")
	}
	return text.String()
}

// Is says which of this package's errors it is.
func (e *APIError) Is(target error) bool {
	switch target {
	case ErrInvalidRequest:
		return e.StatusCode == http.StatusBadRequest || e.Code == codeInvalidRequest
	case ErrAuthentication:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrDuplicate:
		return e.StatusCode == http.StatusConflict && (e.Code == "duplicate_memory" || e.Message == "duplicate memory")
	case ErrTooLarge:
		return e.StatusCode == http.StatusRequestEntityTooLarge || e.StatusCode == http.StatusRequestHeaderFieldsTooLarge
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrNoArcInstance:
		return e.isNoArcInstance()
	case ErrUnavailable:
		return e.isUnavailable() && !e.isNoArcInstance()
	case ErrInvalidResponse:
		return e.Code == codeInvalidResponse
	}
	return false
}

func (e *APIError) isUnavailable() bool {
	switch e.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Servers older than 0.3 are known by their words alone.
func (e *APIError) isNoArcInstance() bool {
	return e.StatusCode == http.StatusServiceUnavailable &&
		(e.Code == "no_arc_instance" || strings.Contains(strings.ToLower(e.Message), "arc instance"))
}

// TransportError says that there was no answer to a request. A write may or may not have been stored; sending it
// again stores nothing twice within the server's dedup window.
type TransportError struct {
	// Op is the request, as "POST /api/v1/memories".
	Op string
	// Err is what happened.
	Err error
}

// Error says what happened to which request.
func (e *TransportError) Error() string { return "memtrace: " + e.Op + ": " + e.Err.Error() }

// Unwrap is what happened.
func (e *TransportError) Unwrap() error { return e.Err }

// Is says that it is ErrTransport.
func (e *TransportError) Is(target error) bool { return target == ErrTransport }

// Timeout says whether time ran out.
func (e *TransportError) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

const (
	codeInvalidRequest  = "invalid_request"
	codeInvalidResponse = "invalid_response"
	longestMessage      = 1000
)

func refused(field, message string) *APIError {
	return &APIError{Code: codeInvalidRequest, Field: field, Message: message}
}

// errorOf reads an answer that is none of success, whatever its body is.
func errorOf(status int, header http.Header, body []byte) *APIError {
	var told struct {
		Error     string `json:"error"`
		Code      string `json:"code"`
		Hint      string `json:"hint"`
		RequestID string `json:"request_id"`
		Field     string `json:"field"`
		Index     *int   `json:"index"`
		ID        string `json:"id"`
		Policy    string `json:"policy"`
	}
	text := ""
	if json.Unmarshal(body, &told) != nil {
		text = strings.TrimSpace(cut(string(body), longestMessage))
	}
	wait, saysWhen := retryAfter(header)
	return &APIError{
		StatusCode: status,
		Code:       told.Code,
		Message:    firstOf(told.Error, text, fmt.Sprintf("HTTP %d", status)),
		Hint:       told.Hint,
		RequestID:  firstOf(told.RequestID, header.Get("X-Request-Id")),
		RetryAfter: wait,
		Field:      told.Field,
		Index:      told.Index,
		ID:         told.ID,
		Policy:     told.Policy,
		saysWhen:   saysWhen,
	}
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// cut shortens to so many bytes and splits no character.
func cut(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	for bytes > 0 && !utf8.RuneStart(text[bytes]) {
		bytes--
	}
	return text[:bytes]
}
