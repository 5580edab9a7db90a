package sdk

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Without a server to ask, what needs one is left out, and said so: scripts/test-go always has one.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("MEMTRACE_URL") == "" {
		fmt.Println("without MEMTRACE_URL the examples and the tests of a real server are left out")
		if err := flag.Set("test.skip", "^(Example|TestReal)"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
