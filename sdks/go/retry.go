package sdk

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	firstBackoff   = 500 * time.Millisecond
	longestBackoff = 8 * time.Second
	longestWait    = time.Minute
)

// waitBefore says whether a failed attempt is worth another, and how long to wait before it. It knows no clock:
// number counts the waits of the call from 0, random is in [0, 1).
func waitBefore(failure error, number int, random float64) (time.Duration, bool) {
	var answer *APIError
	if !errors.As(failure, &answer) {
		return backoff(number, random), errors.Is(failure, ErrTransport)
	}
	if !worthRepeating(answer) {
		return 0, false
	}
	if answer.saysWhen {
		return answer.RetryAfter, answer.RetryAfter <= longestWait
	}
	return backoff(number, random), true
}

func worthRepeating(answer *APIError) bool {
	switch answer.Code {
	case "store_refused", "store_denied":
		return false
	}
	return errors.Is(answer, ErrRateLimited) || errors.Is(answer, ErrUnavailable)
}

// backoff lies between half and all of a span that doubles each time.
func backoff(number int, random float64) time.Duration {
	span := min(float64(longestBackoff), float64(firstBackoff)*math.Pow(2, float64(number)))
	return time.Duration(span * (1 + random) / 2)
}

// retryAfter reads seconds or a date; ok is false where there is neither.
func retryAfter(header http.Header) (wait time.Duration, ok bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	// A number beyond what a float can hold comes with an error, and as infinity.
	if seconds, _ := strconv.ParseFloat(text, 64); isNumber(text) {
		return time.Duration(min(seconds, 1e9) * float64(time.Second)), true
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(date)), true
	}
	return 0, false
}

// isNumber says whether there are digits, and a point among them at most.
func isNumber(text string) bool {
	whole, part, pointed := strings.Cut(text, ".")
	return isDigits(whole) && (!pointed || isDigits(part))
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
