package sdk

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every piece of Go in the documents is a piece of an example, and examples are executed.
func TestDocumentsShowWhatIsExecuted(t *testing.T) {
	sources := ""
	for _, pattern := range []string{"example*_test.go", "examples/*/main.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, file := range files {
			sources += flush(read(t, file))
		}
	}
	for _, page := range []string{"README.md", "../../docs/sdk-go.md"} {
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no Go", page)
		}
		for _, block := range blocks {
			if !strings.Contains(sources, flush(block[1])) {
				t.Errorf("%s shows what no example has:\n%s", page, block[1])
			}
		}
	}
}

// The table of errors lists all there are.
func TestDocumentsTellEveryError(t *testing.T) {
	page := read(t, "../../docs/sdk-go.md")
	declared := regexp.MustCompile(`(?m)^\t(Err\w+) += errors.New`).FindAllStringSubmatch(read(t, "errors.go"), -1)
	if len(declared) == 0 {
		t.Fatal("errors.go declares none")
	}
	for _, found := range declared {
		if !strings.Contains(page, "| `"+found[1]+"` |") {
			t.Errorf("docs/sdk-go.md does not tell of %s", found[1])
		}
	}
}

func TestTheVersionIsTheProjects(t *testing.T) {
	if !strings.Contains(read(t, "../../src/core/version.py"), `"`+Version+`"`) {
		t.Errorf("%s is not the project's version", Version)
	}
}

// flush takes the indentation off, which differs.
func flush(text string) string {
	return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(text, "")
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
