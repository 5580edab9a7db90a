package sdk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Version of this package, as its User-Agent says it.
const Version = "0.3.0"

const (
	// DefaultURL is where a client asks when neither New nor MEMTRACE_URL names a server.
	DefaultURL = "http://localhost:9100"
	// DefaultTimeout is how long one attempt may take, the reading of its answer included.
	DefaultTimeout = 30 * time.Second
	// DefaultRetries is how often a failed attempt is repeated.
	DefaultRetries = 2
)

// Client talks to one Memtrace server for one organization. It is safe for use by many goroutines at once.
type Client struct {
	baseURL   string
	invalid   error
	authorize func(*http.Request) // a closure, so that no formatting of a Client can show the key
	userAgent string
	http      *http.Client
	timeout   time.Duration
	retries   int
	sleep     func(context.Context, time.Duration) error
	random    func() float64

	largestAnswer int64
}

// Option changes how a client works.
type Option func(*Client)

// WithHTTPClient sends requests through the given client, with its transport, proxies and certificates. The client
// itself stays as it is. Redirects are not followed, unless it has a CheckRedirect: they would take the key along.
func WithHTTPClient(client *http.Client) Option {
	return func(c *Client) {
		if client != nil {
			copied := *client
			c.http = &copied
		}
	}
}

// WithTimeout limits each attempt; 0 or less is no limit. The context of a call limits all of its attempts.
func WithTimeout(timeout time.Duration) Option {
	return func(c *Client) { c.timeout = timeout }
}

// WithRetries sets how often a failed attempt is repeated; 0 is never.
func WithRetries(retries int) Option {
	return func(c *Client) { c.retries = max(0, retries) }
}

// WithUserAgent puts a product of yours, as "crawler/1.2", before this package's own in User-Agent.
func WithUserAgent(product string) Option {
	return func(c *Client) { c.userAgent = product + " " + c.userAgent }
}

// New makes a client of the server at baseURL. What is empty comes from the environment: MEMTRACE_URL, else
// DefaultURL, and MEMTRACE_API_KEY. It connects to nothing; a URL or a key that is none is told by every call.
func New(baseURL, apiKey string, options ...Option) *Client {
	if baseURL == "" {
		baseURL = os.Getenv("MEMTRACE_URL")
	}
	if baseURL == "" {
		baseURL = DefaultURL
	}
	if apiKey == "" {
		apiKey = os.Getenv("MEMTRACE_API_KEY")
	}
	apiKey = strings.TrimSpace(apiKey)
	address, user, invalid := readURL(baseURL)
	client := &Client{
		baseURL:   address,
		invalid:   invalid,
		authorize: authorization(apiKey, user),
		userAgent: "memtrace-go/" + Version,
		http:      &http.Client{Transport: newTransport()},
		timeout:   DefaultTimeout,
		retries:   DefaultRetries,
		sleep:     sleep,
		random:    rand.Float64,

		largestAnswer: 512 << 20,
	}
	if client.invalid == nil && !isPrintable(apiKey) {
		client.invalid = refused("", "the API key has characters that no key has")
	}
	for _, option := range options {
		option(client)
	}
	if client.http.CheckRedirect == nil {
		client.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client
}

// CloseIdleConnections gives back the connections that are open and not in use. The client can be used further.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Format prints the server's address, whatever the verb; the key and a password in its URL never.
func (c Client) Format(state fmt.State, _ rune) {
	fmt.Fprintf(state, "sdk.Client(%s)", c.baseURL)
}

func authorization(apiKey string, user *url.Userinfo) func(*http.Request) {
	return func(request *http.Request) {
		if apiKey != "" {
			request.Header.Set("X-Api-Key", apiKey)
		}
		if password, given := user.Password(); given || user.Username() != "" {
			request.SetBasicAuth(user.Username(), password)
		}
	}
}

// readURL takes user and password, for a proxy in between, off the address.
func readURL(baseURL string) (address string, user *url.Userinfo, invalid error) {
	parsed, err := url.Parse(baseURL)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return "?", nil, refused("", "the server's URL must be http://HOST or https://HOST")
	}
	user = parsed.User
	parsed.User, parsed.RawQuery, parsed.Fragment = nil, "", ""
	return strings.TrimRight(parsed.String(), "/"), user, nil
}

// isPrintable says whether a header can hold a text as it is.
func isPrintable(text string) bool {
	for _, character := range text {
		if character < ' ' || character > '~' {
			return false
		}
	}
	return true
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
