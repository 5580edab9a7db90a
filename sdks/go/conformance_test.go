package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const conformanceKey = "mtk_conformance"

type conformanceCase struct {
	Name string `json:"name"`
	Call struct {
		Operation string          `json:"operation"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"call"`
	Exchanges []conformanceExchange `json:"exchanges"`
	Returns   json.RawMessage       `json:"returns"`
	Raises    map[string]any        `json:"raises"`
	Waits     []any                 `json:"waits"`
}

type conformanceExchange struct {
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Query   map[string]string `json:"query"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
		Fault   string            `json:"fault"`
	} `json:"response"`
}

func TestConformance(t *testing.T) {
	files, err := filepath.Glob("../conformance/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("the conformance set has %d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var set struct {
			Topic string            `json:"topic"`
			Cases []conformanceCase `json:"cases"`
		}
		strictly(t, text, &set)
		for _, one := range set.Cases {
			t.Run(set.Topic+"/"+one.Name, func(t *testing.T) { conforms(t, one) })
		}
	}
}

// conforms makes the call of a case and compares what came of it.
func conforms(t *testing.T, one conformanceCase) {
	played := &player{t: t, exchanges: one.Exchanges, placeholders: map[string]string{}}
	server := httptest.NewServer(played)
	defer server.Close()
	played.inner = server.Client().Transport
	client := New(server.URL, conformanceKey, WithHTTPClient(&http.Client{Transport: played}))
	var waits []time.Duration
	if slices.ContainsFunc(one.Exchanges, func(e conformanceExchange) bool { return e.Response.Fault == "silence" }) {
		client.timeout = 100 * time.Millisecond
	}
	client.sleep = func(_ context.Context, wait time.Duration) error {
		waits = append(waits, wait)
		return nil
	}
	operation, known := operations[one.Call.Operation]
	if !known {
		t.Fatalf("no such operation: %s", one.Call.Operation)
	}
	value, err := operation(client, func(into any) { strictly(t, one.Call.Arguments, into) })
	if played.number != len(one.Exchanges) {
		t.Errorf("%d requests were made of %d", played.number, len(one.Exchanges))
	}
	sameWaits(t, waits, one.Waits)
	if one.Raises != nil {
		sameError(t, err, one.Raises)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	sameValue(t, value, one.Returns)
}

func sameWaits(t *testing.T, got []time.Duration, due []any) {
	t.Helper()
	if len(got) != len(due) {
		t.Errorf("the waits are %v, not %v", got, due)
		return
	}
	for number, wait := range due {
		longest := min(longestBackoff, firstBackoff<<number)
		seconds, exact := wait.(float64)
		switch {
		case exact && got[number].Seconds() != seconds:
			t.Errorf("wait %d lasts %v, not %v s", number, got[number], seconds)
		case !exact && (got[number] < longest/2 || got[number] > longest):
			t.Errorf("wait %d lasts %v", number, got[number])
		}
	}
}

var kinds = map[string]error{
	"authentication":  ErrAuthentication,
	"not_found":       ErrNotFound,
	"conflict":        ErrConflict,
	"rate_limited":    ErrRateLimited,
	"no_arc_instance": ErrNoArcInstance,
	"transport":       ErrTransport,
}

func sameError(t *testing.T, err error, due map[string]any) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, but %v was due", due)
	}
	kind, _ := due["error"].(string)
	for name, target := range kinds {
		if errors.Is(err, target) != (name == kind) {
			t.Errorf("%v: being %s is %t", err, name, errors.Is(err, target))
		}
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), conformanceKey) {
		t.Errorf("the key is in %v", err)
	}
	if kind == "transport" {
		return
	}
	var answer *APIError
	if !errors.As(err, &answer) {
		t.Fatalf("%T is no *APIError", err)
	}
	told := map[string]any{
		"error": kind, "status": float64(answer.StatusCode), "code": answer.Code, "message": answer.Message,
		"request_id": answer.RequestID, "hint": answer.Hint, "field": answer.Field, "id": answer.ID,
	}
	if answer.Index != nil {
		told["index"] = float64(*answer.Index)
	}
	for name, value := range due {
		if told[name] != value {
			t.Errorf("%s is %v, not %v", name, told[name], value)
		}
	}
}

func sameValue(t *testing.T, value any, due json.RawMessage) {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var got, expected any
	strictly(t, encoded, &got)
	strictly(t, due, &expected)
	if difference := differs(got, expected); difference != "" {
		t.Errorf("%s in %s", difference, encoded)
	}
}

// differs says where a value lacks what is expected of it.
func differs(got, expected any) string {
	switch expected := expected.(type) {
	case nil:
		if got != nil && got != "" && !reflect.DeepEqual(got, []any{}) && !reflect.DeepEqual(got, map[string]any{}) {
			return fmt.Sprintf("%v instead of nothing", got)
		}
	case map[string]any:
		members, _ := got.(map[string]any)
		for name, value := range expected {
			if difference := differs(members[name], value); difference != "" {
				return name + ": " + difference
			}
		}
	case []any:
		items, _ := got.([]any)
		if len(items) != len(expected) {
			return fmt.Sprintf("%d instead of %d", len(items), len(expected))
		}
		for number, value := range expected {
			if difference := differs(items[number], value); difference != "" {
				return fmt.Sprintf("[%d]: %s", number, difference)
			}
		}
	default:
		if got == nil && expected == float64(0) {
			return ""
		}
		if !reflect.DeepEqual(got, expected) {
			return fmt.Sprintf("%v instead of %v", got, expected)
		}
	}
	return ""
}

func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
