package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestTheKeyDoesNotFollowRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer elsewhere.Close()
	redirect := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }
	for name, client := range map[string]*Client{
		"its own client": serve(t, redirect),
		"a given client": serve(t, redirect, WithHTTPClient(&http.Client{})),
	} {
		t.Run(name, func(t *testing.T) {
			var problem *APIError
			if _, err := client.Me(background); !errors.As(err, &problem) || problem.StatusCode != http.StatusFound {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAGivenClientStaysAsItIs(t *testing.T) {
	given := &http.Client{}
	New("", key, WithHTTPClient(given))
	if given.CheckRedirect != nil {
		t.Error("it was changed")
	}
	if New("", key, WithHTTPClient(nil)).http == nil {
		t.Error("nil took the place of the client")
	}
}

func TestAPathBeforeTheAPIIsKept(t *testing.T) {
	paths := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.RequestURI
		answer(200, me)(w, r)
	}))
	defer server.Close()
	if _, err := New(server.URL+"/behind/a proxy/", key).Me(background); err != nil {
		t.Fatal(err)
	}
	if path := <-paths; path != "/behind/a%20proxy/api/v1/me" {
		t.Errorf("%q", path)
	}
}

func TestWhoAsksIsSaid(t *testing.T) {
	agents := make(chan string, 1)
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		agents <- r.UserAgent()
		answer(200, me)(w, r)
	}, WithUserAgent("crawler/1.2"))
	if _, err := client.Me(background); err != nil {
		t.Fatal(err)
	}
	if agent := <-agents; agent != "crawler/1.2 memtrace-go/"+Version {
		t.Errorf("%q", agent)
	}
}

func TestServerAndKeyComeFromTheEnvironment(t *testing.T) {
	keys := make(chan []string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Values("X-Api-Key")
		answer(200, me)(w, r)
	}))
	defer server.Close()
	t.Setenv("MEMTRACE_URL", server.URL)
	for _, expected := range [][]string{{"mtk_environment"}, nil} {
		t.Setenv("MEMTRACE_API_KEY", strings.Join(expected, "")+"\n")
		if _, err := New("", "").Me(background); err != nil {
			t.Fatal(err)
		}
		if got := <-keys; fmt.Sprint(got) != fmt.Sprint(expected) {
			t.Errorf("the key is %v, not %v", got, expected)
		}
	}
	t.Setenv("MEMTRACE_URL", "")
	if got := New("", "").baseURL; got != DefaultURL {
		t.Errorf("%q", got)
	}
}

func TestAURLThatIsNoneIsToldByEveryCall(t *testing.T) {
	for _, url := range []string{"localhost:9100", "/memtrace", "ftp://host", "http://", "http://%zz", "http://a b"} {
		if _, err := New(url, key).Me(background); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAKeyThatIsNoneIsToldByEveryCall(t *testing.T) {
	for _, wrong := range []string{"mtk_a\nb", "mtk_ä"} {
		if _, err := New("http://127.0.0.1:1", wrong).Me(background); !errors.Is(err, ErrInvalidRequest) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestTheKeyIsNeverShown(t *testing.T) {
	client := New("http://user:secret@127.0.0.1:1/", key, WithRetries(0))
	_, refusal := client.Me(background)
	_, broken := New("http://127.0.0.1:1", key+"\nx").Me(background)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		shown := fmt.Sprintf(strings.Repeat(verb, 5), client, *client, struct{ inner *Client }{client}, refusal, broken)
		if strings.Contains(shown, key) || strings.Contains(shown, fmt.Sprintf("%x", key)) || strings.Contains(shown, "secret") {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	if refusal == nil || broken == nil {
		t.Error("no errors to look at")
	}
	if got := fmt.Sprint(New("http://a:secret@%zz", key)); got != "sdk.Client(?)" {
		t.Error(got)
	}
}

func TestAUserOfAProxyIsSentBesideTheKey(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if name, password, ok := r.BasicAuth(); !ok || name != "user" || password != "secret" || r.Header.Get("X-Api-Key") != key {
			t.Errorf("%q, %q", name, password)
		}
		answer(200, me)(w, r)
	}
	server := httptest.NewServer(http.HandlerFunc(handler))
	defer server.Close()
	if _, err := New(strings.Replace(server.URL, "://", "://user:secret@", 1), key).Me(background); err != nil {
		t.Error(err)
	}
}

func TestAClientIsForManyGoroutines(t *testing.T) {
	client := serve(t, answer(200, me))
	var group sync.WaitGroup
	for range 20 {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := client.Me(background); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
}
