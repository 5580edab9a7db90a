//go:build go1.23

package sdk_test

import (
	"fmt"
	"log"

	"github.com/Basekick-Labs/memtrace/pkg/sdk"
)

func ExampleIterator_All() {
	client.Remember(ctx, "ranger", "over functions")

	for memory, err := range client.IterMemories(ctx, &sdk.ListOptions{AgentID: "ranger"}).All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(memory.Content)
	}
	// Output: over functions
}
