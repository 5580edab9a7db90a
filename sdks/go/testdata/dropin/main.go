// Command dropin is written for the original's SDK, by its documents, and knows nothing of this one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/Basekick-Labs/memtrace/pkg/sdk"
)

func main() {
	ctx := context.Background()
	client := sdk.New(os.Getenv("MEMTRACE_URL"), os.Getenv("MEMTRACE_API_KEY"))

	// Quick add
	client.Remember(ctx, "my_original_agent", "Posted tweet about Go generics")

	// Recall recent
	memories, _ := client.Recall(ctx, "my_original_agent", "48h")

	// Log a decision
	client.Decide(ctx, "my_original_agent", "post_to_twitter", "feed had interesting content")

	// Full API
	client.AddMemory(ctx, &sdk.AddMemoryRequest{AgentID: "my_original_agent", Content: "one more"})
	client.AddMemories(ctx, []*sdk.AddMemoryRequest{{AgentID: "my_original_agent", Content: "and more", Tags: []string{"a", "b"}}})
	listed, _ := client.ListMemories(ctx, &sdk.ListOptions{AgentID: "my_original_agent"})
	tagged, _ := client.ListMemories(ctx, &sdk.ListOptions{AgentID: "my_original_agent", Tags: "a,b"})
	found, _ := client.SearchMemories(ctx, &sdk.SearchQuery{AgentID: "my_original_agent", ContentContains: "tweet"})
	session, _ := client.CreateSession(ctx, &sdk.CreateSessionRequest{AgentID: "my_original_agent"})
	story, _ := client.GetSessionContext(ctx, session.ID, &sdk.ContextOptions{Since: "4h"})

	_, err := client.GetSession(ctx, "sess_unknown")
	var problem *sdk.APIError
	fmt.Println(len(memories.Memories), len(listed.Memories), len(tagged.Memories), len(found.Results), story.SessionID == session.ID,
		errors.As(err, &problem), errors.Is(err, sdk.ErrNoArcInstance))
}
