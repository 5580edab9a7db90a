package sdk

import (
	"errors"
	"net/http"
	"testing"
)

func TestEveryIteratorEndsWithTheErrorOfItsPage(t *testing.T) {
	client := serve(t, answer(404, `{"error":"not found","code":"not_found"}`))
	ended := map[string]func() (bool, error){
		"IterMemories":        func() (bool, error) { return outcome(client.IterMemories(background, nil)) },
		"IterAgentMemories":   func() (bool, error) { return outcome(client.IterAgentMemories(background, "a", nil)) },
		"IterSessionMemories": func() (bool, error) { return outcome(client.IterSessionMemories(background, "s", nil)) },
		"IterSearch":          func() (bool, error) { return outcome(client.IterSearch(background, nil)) },
		"IterAgents":          func() (bool, error) { return outcome(client.IterAgents(background, nil)) },
		"IterSessions":        func() (bool, error) { return outcome(client.IterSessions(background, nil)) },
	}
	for name, end := range ended {
		if more, err := end(); more || !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %t, %v", name, more, err)
		}
	}
}

// outcome asks twice: an iterator that ended stays at its end.
func outcome[T any](iterator *Iterator[T]) (bool, error) {
	first, second := iterator.Next(), iterator.Next()
	return first || second, iterator.Err()
}

func TestAnIteratorGoesOnWithWhatItWasGiven(t *testing.T) {
	handler, number := inTurn(
		answer(200, `{"memories":[{"content":"1"}],"has_more":true,"next_cursor":"c1"}`),
		answer(200, `{"memories":[{"content":"2"}],"has_more":false}`))
	options := &ListOptions{AgentID: "a"}
	memories := serve(t, handler).IterMemories(background, options)
	var contents []string
	for memories.Next() {
		contents = append(contents, memories.Value().Content)
		*options = ListOptions{Cursor: "changed"}
	}
	same(t, contents, []string{"1", "2"})
	same(t, number.Load(), 2)
}

func TestAPageIsAskedForWhenItIsNeeded(t *testing.T) {
	handler, number := inTurn(answer(200, `{"memories":[{"content":"1"}],"has_more":true,"next_cursor":"c1"}`))
	memories := serve(t, handler).IterMemories(background, nil)
	same(t, number.Load(), 0)
	same(t, memories.Next(), true)
	same(t, number.Load(), 1)
}

func TestAnOffsetIsWhereAServerWithoutCursorsIsAsked(t *testing.T) {
	offsets := make(chan string, 2)
	handler, _ := inTurn(
		answer(200, `{"memories":[{"content":"1"},{"content":"2"}],"has_more":true}`),
		answer(200, `{"memories":[{"content":"3"}],"has_more":false}`))
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		offsets <- r.URL.Query().Get("offset")
		handler(w, r)
	})
	memories := client.IterMemories(background, &ListOptions{Offset: 3})
	for memories.Next() {
	}
	same(t, []string{<-offsets, <-offsets}, []string{"3", "5"})
}
