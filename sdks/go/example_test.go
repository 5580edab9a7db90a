package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/Basekick-Labs/memtrace/pkg/sdk"
)

var (
	ctx = context.Background()
	// MEMTRACE_URL and MEMTRACE_API_KEY are the server of the tests.
	client = sdk.New("", "")
)

// What is empty comes from MEMTRACE_URL and MEMTRACE_API_KEY.
func ExampleNew() {
	client := sdk.New("", "", sdk.WithTimeout(5*time.Second), sdk.WithRetries(4))

	me, err := client.Me(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.OrgName, me.Permissions)
	// Output: Default [admin read write]
}

func ExampleClient_Remember() {
	memory, err := client.Remember(ctx, "my_agent", "Posted tweet about Go generics")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(memory.MemoryType, memory.Content)

	_, err = client.Remember(ctx, "my_agent", "Posted tweet about Go generics")
	fmt.Println(errors.Is(err, sdk.ErrDuplicate))
	// Output:
	// episodic Posted tweet about Go generics
	// true
}

func ExampleClient_Recall() {
	client.Remember(ctx, "reader", "Read the release notes of Go 1.22")

	memories, err := client.Recall(ctx, "reader", "48h")
	if err != nil {
		log.Fatal(err)
	}
	for _, memory := range memories.Memories {
		fmt.Println(memory.Content)
	}
	// Output: Read the release notes of Go 1.22
}

func ExampleClient_Decide() {
	memory, err := client.Decide(ctx, "poster", "post_to_twitter", "feed had interesting content")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(memory.MemoryType, memory.Content, memory.Metadata["reasoning"])
	// Output: decision post_to_twitter feed had interesting content
}

func ExampleClient_AddMemory() {
	memory, err := client.AddMemory(ctx, &sdk.AddMemoryRequest{
		AgentID:    "crawler",
		SessionID:  "sess_1",
		EventType:  "page_crawled",
		Content:    "Crawled https://shop.example: found 3 product links",
		Tags:       []string{"crawling", "products"},
		Importance: 0.7,
		Metadata:   map[string]any{"links": 3},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(memory.Tags, memory.Importance, memory.Metadata["links"])
	// Output: [crawling products] 0.7 3
}

func ExampleClient_AddBatch() {
	added, err := client.AddBatch(ctx, &sdk.AddBatchRequest{Memories: []sdk.AddMemoryRequest{
		{AgentID: "etl", EventType: "row_done", Content: "row 1"},
		{AgentID: "etl", EventType: "row_done", Content: "row 2"},
		{AgentID: "etl", EventType: "row_done", Content: "row 1"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range added.Results {
		fmt.Println(entry.Status)
	}
	// Output:
	// created
	// created
	// duplicate
}

func ExampleClient_SearchMemories() {
	client.AddMemory(ctx, &sdk.AddMemoryRequest{
		AgentID: "on_call", EventType: "fix", Content: "Restarted the ingester: lag is gone", Importance: 0.9,
	})

	found, err := client.SearchMemories(ctx, &sdk.SearchQuery{
		ContentContains: "ingester",
		MinImportance:   0.5,
		Since:           "7d",
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, memory := range found.Results {
		fmt.Println(memory.AgentID, memory.Content)
	}
	// Output: on_call Restarted the ingester: lag is gone
}

func ExampleClient_GetSessionContext() {
	session, err := client.CreateSession(ctx, &sdk.CreateSessionRequest{
		AgentID:  "support",
		Metadata: map[string]any{"ticket": "T-17"},
	})
	if err != nil {
		log.Fatal(err)
	}
	client.AddMemory(ctx, &sdk.AddMemoryRequest{
		AgentID: "support", SessionID: session.ID, EventType: "call", Content: "Customer asks for a refund",
	})

	story, err := client.GetSessionContext(ctx, session.ID, &sdk.ContextOptions{Since: "4h", MaxTokens: 2000})
	if err != nil {
		log.Fatal(err)
	}
	prompt := "You are a support agent.\n\n" + story.Context
	fmt.Println(strings.Contains(prompt, "call: Customer asks for a refund"), story.MemoryCount)

	if _, err := client.CloseSession(ctx, session.ID); err != nil {
		log.Fatal(err)
	}
	// Output: true 1
}

func ExampleClient_IterMemories() {
	for _, content := range []string{"one", "two", "three"} {
		client.Remember(ctx, "counter", content)
	}

	memories := client.IterMemories(ctx, &sdk.ListOptions{AgentID: "counter", Order: sdk.OrderAsc, Limit: 2})
	for memories.Next() {
		fmt.Println(memories.Value().Content)
	}
	if err := memories.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// one
	// two
	// three
}

func ExampleClient_Buffered() {
	writer := client.Buffered(&sdk.BufferOptions{MaxBatch: 500, MaxDelay: 2 * time.Second})
	for _, row := range []string{"row 7", "row 8", "row 9"} {
		if err := writer.Add(ctx, &sdk.AddMemoryRequest{AgentID: "loader", Content: row}); err != nil {
			log.Fatal(err)
		}
	}

	err := writer.Close(ctx)
	var lost *sdk.BufferedWriteError
	if errors.As(err, &lost) {
		for _, failure := range lost.Failures {
			log.Println(failure.Request.Content, failure.Err)
		}
	}
	fmt.Println(writer.Counts().Created)
	// Output: 3
}

func ExampleAPIError() {
	_, err := client.GetSession(ctx, "sess_unknown")

	var problem *sdk.APIError
	switch {
	case errors.Is(err, sdk.ErrNoArcInstance):
		fmt.Println("ask an operator to run: memtrace org add-arc")
	case errors.Is(err, sdk.ErrNotFound):
		fmt.Println("no such session")
	case errors.As(err, &problem):
		fmt.Println(problem.StatusCode, problem.Code, problem.Hint, problem.RequestID)
	case errors.Is(err, sdk.ErrTransport):
		fmt.Println("no answer")
	}
	// Output: no such session
}
