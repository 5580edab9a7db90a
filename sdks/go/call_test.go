package sdk

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const key = "mtk_never_to_be_seen"

// serve starts a server and a client of it that waits for nothing.
func serve(t *testing.T, handler http.HandlerFunc, options ...Option) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := New(server.URL, key, options...)
	client.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// inTurn answers each request with the next handler, and further ones with the last.
func inTurn(handlers ...http.HandlerFunc) (http.HandlerFunc, *atomic.Int32) {
	var number atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		handlers[min(int(number.Add(1)), len(handlers))-1](w, r)
	}, &number
}

func cutOff(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_ = connection.(*net.TCPConn).SetLinger(0)
	_ = connection.Close()
}

func truncated(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"org_id":"org_`)
	w.(http.Flusher).Flush()
	cutOff(w, r)
}

const me = `{"org_id":"org_default","org_name":"Default","key_name":"admin","permissions":["read"],"has_binding":true}`

func TestConnectionsThatBreakAreTriedAgain(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{"before the answer": cutOff, "within the answer": truncated} {
		t.Run(name, func(t *testing.T) {
			handler, number := inTurn(fault, fault, answer(200, me))
			got, err := serve(t, handler).Me(background)
			if err != nil || got.OrgName != "Default" || number.Load() != 3 {
				t.Errorf("%+v, %v after %d requests", got, err, number.Load())
			}
		})
	}
}

func TestAWriteThatBreaksIsSentAgainWithTheSameKeyAndBytes(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	handler, _ := inTurn(truncated, cutOff, answer(201, `{"id":"mem_1"}`))
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen = append(seen, r.Header.Get("Idempotency-Key")+string(body))
		mu.Unlock()
		handler(w, r)
	})
	if _, err := client.Remember(background, "a", "b <&>"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 3 || seen[0] != seen[1] || seen[1] != seen[2] || !strings.Contains(seen[0], "b <&>") {
		t.Errorf("%q", seen)
	}
}

func TestEachCallHasAKeyOfItsOwn(t *testing.T) {
	keys := make(chan string, 3)
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		answer(201, `{"id":"mem_1"}`)(w, r)
	})
	for _, given := range []string{"", "", "mine"} {
		if _, err := client.AddMemory(background, &AddMemoryRequest{Content: "x", IdempotencyKey: given}); err != nil {
			t.Fatal(err)
		}
	}
	first, second, third := <-keys, <-keys, <-keys
	if first == second || len(first) != 32 || third != "mine" {
		t.Errorf("%q, %q, %q", first, second, third)
	}
}

func TestAnAttemptThatTakesTooLongIsTriedAgainAndToldAsATimeout(t *testing.T) {
	release := make(chan struct{})
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}, WithTimeout(20*time.Millisecond), WithRetries(1))
	waits := 0
	client.sleep = func(context.Context, time.Duration) error {
		waits++
		return nil
	}
	_, err := client.Me(background)
	close(release)
	var failure *TransportError
	if !errors.As(err, &failure) || !failure.Timeout() || !errors.Is(err, ErrTransport) || waits != 1 {
		t.Errorf("%v after %d waits", err, waits)
	}
	if failure != nil && failure.Op != "GET /api/v1/me" {
		t.Errorf("the request is called %q", failure.Op)
	}
}

func TestARefusedConnectionIsNoTimeout(t *testing.T) {
	server := httptest.NewServer(answer(200, me))
	server.Close()
	_, err := New(server.URL, key, WithRetries(0), WithTimeout(0)).Me(background)
	var failure *TransportError
	if !errors.As(err, &failure) || failure.Timeout() {
		t.Errorf("%v", err)
	}
}

func TestAContextThatEndsIsItsOwnError(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	handler, number := inTurn(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := serve(t, handler).Me(ctx)
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrTransport) || number.Load() != 1 {
		t.Errorf("%v after %d requests", err, number.Load())
	}
}

func TestAContextThatEndsDuringAWaitTellsBoth(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	client := serve(t, answer(503, `{"error":"busy","code":"unavailable"}`))
	client.sleep = func(ctx context.Context, wait time.Duration) error {
		cancel()
		return sleep(ctx, wait)
	}
	_, err := client.Me(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestAWaitThatOutlastsTheContextIsNotBegun(t *testing.T) {
	handler, number := inTurn(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "59")
		answer(429, `{"error":"slower","code":"rate_limited","policy":"key-requests"}`)(w, r)
	})
	client := serve(t, handler)
	client.sleep = func(context.Context, time.Duration) error { panic("it waits") }
	ctx, cancel := context.WithTimeout(background, 30*time.Second)
	defer cancel()
	_, err := client.Me(ctx)
	var problem *APIError
	if !errors.As(err, &problem) || problem.RetryAfter != 59*time.Second || problem.Policy != "key-requests" {
		t.Errorf("%v", err)
	}
	if number.Load() != 1 {
		t.Errorf("%d requests", number.Load())
	}
}

func TestSleepEndsWhenItsTimeIsUp(t *testing.T) {
	if err := sleep(background, time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestAnswersThatAreNoneOfMemtraceAreInvalid(t *testing.T) {
	for name, body := range map[string]string{"a page": "<html>hello</html>", "nothing": "", "another type": `{"org_id": 3}`} {
		t.Run(name, func(t *testing.T) {
			handler, number := inTurn(answer(200, body))
			_, err := serve(t, handler).Me(background)
			if !errors.Is(err, ErrInvalidResponse) || number.Load() != 1 {
				t.Errorf("%v after %d requests", err, number.Load())
			}
		})
	}
}

func TestAnAnswerThatIsTooLongIsInvalid(t *testing.T) {
	client := serve(t, answer(200, me))
	client.largestAnswer = 10
	if _, err := client.Me(background); !errors.Is(err, ErrInvalidResponse) {
		t.Errorf("%v", err)
	}
}

func TestALongErrorPageIsCutBetweenCharacters(t *testing.T) {
	_, err := serve(t, answer(418, strings.Repeat("ä", 5000)+"x")).Me(background)
	var problem *APIError
	if !errors.As(err, &problem) || problem.Message != strings.Repeat("ä", longestMessage/2) {
		t.Errorf("%v", err)
	}
	if got := cut("aä", 2); got != "a" {
		t.Errorf("%q", got)
	}
}

func TestWhatWouldAskForSomethingElseIsRefused(t *testing.T) {
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked for") })
	calls := map[string]func(id string) error{
		"GetMemory":          func(id string) error { _, err := client.GetMemory(background, id); return err },
		"DeleteMemory":       func(id string) error { _, err := client.DeleteMemory(background, id); return err },
		"GetAgent":           func(id string) error { _, err := client.GetAgent(background, id); return err },
		"GetAgentStats":      func(id string) error { _, err := client.GetAgentStats(background, id); return err },
		"GetAgentMemories":   func(id string) error { _, err := client.GetAgentMemories(background, id, nil); return err },
		"DeleteAgent":        func(id string) error { return client.DeleteAgent(background, id) },
		"GetSession":         func(id string) error { _, err := client.GetSession(background, id); return err },
		"UpdateSession":      func(id string) error { _, err := client.UpdateSession(background, id, nil); return err },
		"CloseSession":       func(id string) error { _, err := client.CloseSession(background, id); return err },
		"DeleteSession":      func(id string) error { _, err := client.DeleteSession(background, id, nil); return err },
		"GetSessionMemories": func(id string) error { _, err := client.GetSessionMemories(background, id, nil); return err },
		"GetSessionContext":  func(id string) error { _, err := client.GetSessionContext(background, id, nil); return err },
		"GetDeletion":        func(id string) error { _, err := client.GetDeletion(background, id); return err },
	}
	for name, call := range calls {
		for _, id := range []string{"", ".", ".."} {
			var problem *APIError
			if err := call(id); !errors.Is(err, ErrInvalidRequest) || !errors.As(err, &problem) || problem.Field == "" {
				t.Errorf("%s(%q): %v", name, id, err)
			}
		}
	}
}

func TestNothingIsNoRequest(t *testing.T) {
	client := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	_, memory := client.AddMemory(background, nil)
	_, memories := client.AddMemories(background, nil)
	_, batch := client.AddBatch(background, nil)
	_, agent := client.RegisterAgent(background, nil)
	_, session := client.CreateSession(background, nil)
	_, number := client.AddMemory(background, &AddMemoryRequest{Importance: math.NaN()})
	_, lines := client.AddMemory(background, &AddMemoryRequest{IdempotencyKey: "a\nb"})
	_, long := client.AddMemory(background, &AddMemoryRequest{IdempotencyKey: strings.Repeat("a", 256)})
	_, change := client.UpdateSession(background, "s", &UpdateSessionRequest{Metadata: map[string]any{"f": func() {}}})
	for _, err := range []error{memory, memories, batch, agent, session, number, lines, long, change} {
		if !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%v", err)
		}
	}
}

func TestNoOptionsAreTheDefaults(t *testing.T) {
	bodies := make(chan string, 1)
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- r.Method + " " + r.RequestURI + " " + string(body)
		if r.Method == http.MethodDelete {
			answer(200, `{"session_id":"s"}`)(w, r)
			return
		}
		answer(200, `{"memories":[],"results":[],"sessions":[],"id":"s"}`)(w, r)
	})
	calls := map[string]func() error{
		"GET /api/v1/memories ":              func() error { _, err := client.ListMemories(background, nil); return err },
		"POST /api/v1/search {}":             func() error { _, err := client.SearchMemories(background, nil); return err },
		"GET /api/v1/sessions ":              func() error { _, err := client.ListSessionsPage(background, nil); return err },
		"PUT /api/v1/sessions/s {}":          func() error { _, err := client.UpdateSession(background, "s", nil); return err },
		"DELETE /api/v1/sessions/s ":         func() error { _, err := client.DeleteSession(background, "s", nil); return err },
		"POST /api/v1/sessions/s/context {}": func() error { _, err := client.GetSessionContext(background, "s", nil); return err },
	}
	for expected, call := range calls {
		if err := call(); err != nil {
			t.Fatal(err)
		}
		if got := <-bodies; got != expected {
			t.Errorf("%q is not %q", got, expected)
		}
	}
}

func TestAddMemoriesReturnsWhatWasCreated(t *testing.T) {
	client := serve(t, answer(201, `{"memories":[{"id":"mem_1"}],"count":1,"duplicates":1}`))
	created, err := client.AddMemories(background, []*AddMemoryRequest{{Content: "a"}, {Content: "a"}})
	if err != nil || len(created) != 1 || created[0].ID != "mem_1" {
		t.Errorf("%v, %v", created, err)
	}
}
