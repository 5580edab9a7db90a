//go:build go1.23

package sdk

import (
	"errors"
	"testing"
)

const endless = `{"memories":[{"content":"1"},{"content":"2"}],"has_more":true}`

func TestARangeEndsWithTheError(t *testing.T) {
	handler, _ := inTurn(answer(200, endless), answer(404, `{"error":"gone"}`))
	var contents []string
	var ended error
	for memory, err := range serve(t, handler).IterMemories(background, nil).All() {
		contents, ended = append(contents, memory.Content), err
	}
	same(t, contents, []string{"1", "2", ""})
	same(t, errors.Is(ended, ErrNotFound), true)
}

func TestARangeThatIsLeftAsksNoFurther(t *testing.T) {
	handler, number := inTurn(answer(200, endless))
	memories := serve(t, handler).IterMemories(background, nil)
	for memory := range memories.All() {
		same(t, memory.Content, "1")
		break
	}
	same(t, number.Load(), 1)
	for memory := range memories.All() {
		same(t, memory.Content, "2")
		break
	}
}
