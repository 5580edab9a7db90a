package sdk

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestAnAnswerIsTheErrorsOfItsStatusAndNoOther(t *testing.T) {
	every := []error{
		ErrInvalidRequest, ErrAuthentication, ErrForbidden, ErrNotFound, ErrConflict, ErrDuplicate, ErrTooLarge,
		ErrRateLimited, ErrNoArcInstance, ErrUnavailable, ErrInvalidResponse, ErrTransport, ErrClosed,
	}
	for _, one := range []struct {
		err error
		is  []error
	}{
		{&APIError{StatusCode: 400}, []error{ErrInvalidRequest}},
		{&APIError{Code: "invalid_request"}, []error{ErrInvalidRequest}},
		{&APIError{StatusCode: 401}, []error{ErrAuthentication}},
		{&APIError{StatusCode: 403}, []error{ErrForbidden}},
		{&APIError{StatusCode: 404}, []error{ErrNotFound}},
		{&APIError{StatusCode: 409}, []error{ErrConflict}},
		{&APIError{StatusCode: 409, Code: "duplicate_memory"}, []error{ErrConflict, ErrDuplicate}},
		{&APIError{StatusCode: 409, Message: "duplicate memory"}, []error{ErrConflict, ErrDuplicate}},
		{&APIError{StatusCode: 413}, []error{ErrTooLarge}},
		{&APIError{StatusCode: 431}, []error{ErrTooLarge}},
		{&APIError{StatusCode: 429}, []error{ErrRateLimited}},
		{&APIError{StatusCode: 500}, nil},
		{&APIError{StatusCode: 502}, []error{ErrUnavailable}},
		{&APIError{StatusCode: 503}, []error{ErrUnavailable}},
		{&APIError{StatusCode: 504}, []error{ErrUnavailable}},
		{&APIError{StatusCode: 503, Code: "no_arc_instance"}, []error{ErrNoArcInstance}},
		{&APIError{StatusCode: 503, Message: "No Arc instance configured for this org"}, []error{ErrNoArcInstance}},
		{&APIError{StatusCode: 200, Code: "invalid_response"}, []error{ErrInvalidResponse}},
		{&TransportError{Err: errors.New("x")}, []error{ErrTransport}},
	} {
		expected := map[error]bool{}
		for _, target := range one.is {
			expected[target] = true
		}
		for _, target := range every {
			if errors.Is(one.err, target) != expected[target] {
				t.Errorf("%#v is %v: %t", one.err, target, !expected[target])
			}
		}
	}
}

func TestAnErrorSaysAllThatIsKnown(t *testing.T) {
	for expected, err := range map[string]error{
		"memtrace: no arc (HTTP 503)":                       &APIError{StatusCode: 503, Message: "no arc"},
		"memtrace: m; do so (HTTP 503, no_arc_instance, r)": &APIError{503, "no_arc_instance", "m", "do so", "r", 0, "", nil, "", "", false},
		"memtrace: there is none":                           &APIError{Message: "there is none"},
		"memtrace: GET /api/v1/me: gone":                    &TransportError{"GET /api/v1/me", errors.New("gone")},
	} {
		if err.Error() != expected {
			t.Errorf("%q is not %q", err, expected)
		}
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	later := time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
	earlier := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	for text, expected := range map[string]struct {
		least, most time.Duration
		ok          bool
	}{
		"2":       {2 * time.Second, 2 * time.Second, true},
		" 0.5 ":   {500 * time.Millisecond, 500 * time.Millisecond, true},
		"0":       {0, 0, true},
		later:     {25 * time.Second, 30 * time.Second, true},
		earlier:   {0, 0, true},
		"":        {0, 0, false},
		"-1":      {0, 0, false},
		"nan":     {0, 0, false},
		"soon":    {0, 0, false},
		"1e300":   {0, 0, false},
		"1.":      {0, 0, false},
		"9999999": {9999999 * time.Second, 9999999 * time.Second, true},
	} {
		wait, ok := retryAfter(http.Header{"Retry-After": {text}})
		if ok != expected.ok || wait < expected.least || wait > expected.most {
			t.Errorf("%q: %v, %t", text, wait, ok)
		}
	}
}

func TestWaitsDoubleUpToALimit(t *testing.T) {
	for number, longest := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second} {
		if backoff(number, 0) != longest/2 || backoff(number, 0.5) != longest*3/4 {
			t.Errorf("wait %d: %v to %v", number, backoff(number, 0), backoff(number, 0.5))
		}
	}
	if backoff(10_000, 0) != 4*time.Second {
		t.Error("it overflows")
	}
}
