// Command first stores a memory, reads it back and prints a session's context. It asks MEMTRACE_URL with
// MEMTRACE_API_KEY.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/Basekick-Labs/memtrace/pkg/sdk"
)

func main() {
	ctx := context.Background()
	client := sdk.New("", "")

	_, err := client.AddMemory(ctx, &sdk.AddMemoryRequest{
		AgentID:   "crawler",
		SessionID: "sess_first",
		EventType: "page_crawled",
		Content:   "Crawled https://example.com: found 3 product links",
	})
	if err != nil && !errors.Is(err, sdk.ErrDuplicate) {
		log.Fatal(err)
	}

	memories, err := client.Recall(ctx, "crawler", "2h")
	if err != nil {
		log.Fatal(err)
	}
	for _, memory := range memories.Memories {
		fmt.Println(memory.EventType, memory.Content)
	}

	session, err := client.GetSessionContext(ctx, "sess_first", &sdk.ContextOptions{Since: "4h", MaxTokens: 2000})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.Context)
}
