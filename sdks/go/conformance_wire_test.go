package sdk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// player answers requests with the exchanges of a case. It is the handler of the server, and the transport of the
// client where a connection is to fail.
type player struct {
	t            *testing.T
	inner        http.RoundTripper
	exchanges    []conformanceExchange
	number       int
	placeholders map[string]string
}

func (p *player) RoundTrip(request *http.Request) (*http.Response, error) {
	if p.number < len(p.exchanges) {
		switch p.exchanges[p.number].Response.Fault {
		case "refused":
			p.number++
			return nil, fmt.Errorf("dial tcp: %w", syscall.ECONNREFUSED)
		case "reset", "silence":
			fault := p.exchanges[p.number].Response.Fault
			body := []byte{}
			if request.Body != nil {
				body, _ = io.ReadAll(request.Body)
			}
			p.check(request, request.URL.RequestURI(), body)
			if fault == "silence" {
				<-request.Context().Done()
				return nil, request.Context().Err()
			}
			return nil, fmt.Errorf("read tcp: %w", syscall.ECONNRESET)
		}
	}
	return p.inner.RoundTrip(request)
}

func (p *player) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		p.t.Error(err)
	}
	exchange := p.check(request, request.RequestURI, body)
	if exchange == nil {
		answer.WriteHeader(http.StatusTeapot)
		return
	}
	content, kind := []byte(exchange.Response.Body), "application/json"
	var text string
	if json.Unmarshal(content, &text) == nil {
		content, kind = []byte(text), "text/html"
	}
	answer.Header().Set("Content-Type", kind)
	for name, value := range exchange.Response.Headers {
		answer.Header().Set(name, value)
	}
	answer.WriteHeader(exchange.Response.Status)
	_, _ = answer.Write(content)
}

// check compares a request with the one that is due.
func (p *player) check(request *http.Request, uri string, body []byte) *conformanceExchange {
	p.t.Helper()
	if p.number >= len(p.exchanges) {
		p.t.Errorf("a request too many: %s %s", request.Method, uri)
		return nil
	}
	exchange := &p.exchanges[p.number]
	p.number++
	due := exchange.Request
	path, rawQuery, _ := strings.Cut(uri, "?")
	if request.Method != due.Method || path != due.Path {
		p.t.Errorf("%s %s is not %s %s", request.Method, path, due.Method, due.Path)
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		p.t.Error(err)
	}
	flat := map[string]string{}
	for name := range query {
		flat[name] = strings.Join(query[name], "\x00")
	}
	if len(flat) != len(due.Query) || (len(flat) > 0 && !reflect.DeepEqual(flat, due.Query)) {
		p.t.Errorf("the query %v is not %v", flat, due.Query)
	}
	p.checkHeaders(request.Header, due.Headers)
	p.checkBody(body, due.Body)
	return exchange
}

func (p *player) checkHeaders(header http.Header, due map[string]string) {
	p.t.Helper()
	for name, value := range due {
		got := header.Get(name)
		if strings.HasPrefix(value, "$") {
			if _, bound := p.placeholders[value]; !bound {
				p.placeholders[value] = got
			}
			if p.placeholders[value] != got {
				p.t.Errorf("%s changed from %q to %q", name, p.placeholders[value], got)
			}
			value = "*"
		}
		if got == "" || (value != "*" && got != value) {
			p.t.Errorf("the header %s is %q, not %q", name, got, value)
		}
	}
}

func (p *player) checkBody(body []byte, due json.RawMessage) {
	p.t.Helper()
	if due == nil {
		if len(body) > 0 {
			p.t.Errorf("there is a body: %s", body)
		}
		return
	}
	var got, expected any
	strictly(p.t, body, &got)
	strictly(p.t, due, &expected)
	if !reflect.DeepEqual(got, withoutZeros(expected)) {
		p.t.Errorf("the body %s is not %s", body, due)
	}
}

// withoutZeros leaves out members that are the number nought: in Go a field with its zero value is not set. To a server
// an importance of 0 and none are the same.
func withoutZeros(value any) any {
	members, ok := value.(map[string]any)
	if !ok {
		return value
	}
	kept := map[string]any{}
	for name, member := range members {
		if member != float64(0) {
			kept[name] = withoutZeros(member)
		}
	}
	return kept
}
