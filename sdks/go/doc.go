// Package sdk is the Go client of Memtrace, the memory of fleets of AI agents.
//
//	client := sdk.New("http://localhost:9100", "mtk_...")
//	client.Remember(ctx, "my_agent", "Posted tweet about Go generics")
//	memories, err := client.Recall(ctx, "my_agent", "48h")
//
// The API key decides the organization. A [Client] may be used by many goroutines at once; make one and keep it,
// since it keeps its connections.
//
// # Errors
//
// What the server answers with an error is an [*APIError], which [errors.Is] tells apart: [ErrNotFound],
// [ErrConflict], [ErrDuplicate], [ErrAuthentication], [ErrForbidden], [ErrRateLimited], [ErrNoArcInstance],
// [ErrUnavailable] and more. Where there was no answer at all it is a [*TransportError], which is [ErrTransport].
// A context that ended comes out as its own error.
//
// # Retries
//
// Connections that fail and answers of 429, 502, 503 and 504 are tried again, twice unless [WithRetries] says
// otherwise. A Retry-After of up to a minute is waited for exactly, a longer one not at all. Writes carry an
// Idempotency-Key, so no attempt stores anything a second time.
//
// # Values
//
// A field with its zero value is a field that is not set, and is not sent. Metadata is decoded as encoding/json does
// it: numbers are float64. Bytes in a text that are no UTF-8 arrive at the server as U+FFFD.
package sdk
