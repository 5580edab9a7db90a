//go:build go1.23

package sdk

import "iter"

// All goes through what is left, for a range loop. An error comes with a zero value and ends it.
//
//	for memory, err := range client.IterMemories(ctx, nil).All() {
//		if err != nil {
//			return err
//		}
//		fmt.Println(memory.Content)
//	}
func (i *Iterator[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for i.Next() {
			if !yield(i.Value(), nil) {
				return
			}
		}
		if i.err != nil {
			yield(*new(T), i.err)
		}
	}
}
