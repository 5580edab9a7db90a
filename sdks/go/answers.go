package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
)

var (
	errTooLong    = errors.New("the answer is too long")
	errRedirected = errors.New("the server redirects; the URL must be that of the server itself")
	errAnothers   = errors.New("it has not what was asked for")
)

// decode reads a success into value, which may be nil. An answer without any member that tells such a value is that of
// another program, and must not pass for a value with nothing in it.
func decode(body []byte, value any) error {
	if value == nil {
		return nil
	}
	if err := json.Unmarshal(body, value); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return err
	}
	for _, name := range membersOf(value) {
		if _, has := members[name]; has {
			return nil
		}
	}
	return errAnothers
}

// membersOf names what tells an answer of this kind, also that of a server older than 0.3: a list by itself, everything
// else by whose it is.
func membersOf(value any) []string {
	switch value.(type) {
	case *MemoryList, *AddedMemories:
		return []string{"memories"}
	case *SearchResult:
		return []string{"results"}
	case *AgentList:
		return []string{"agents"}
	case *SessionList:
		return []string{"sessions"}
	case *DeletionList:
		return []string{"deletions"}
	}
	return []string{"id", "org_id", "agent_id", "session_id"}
}

func unreadable(status int, header http.Header, err error) *APIError {
	return &APIError{
		StatusCode: status,
		Code:       codeInvalidResponse,
		Message:    "the answer cannot be read: " + err.Error(),
		RequestID:  header.Get("X-Request-Id"),
	}
}

func encode(body any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, refused("", "the request cannot be written as JSON: "+err.Error())
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}
