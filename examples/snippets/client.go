package snippets

import (
	"io"

	"github.com/firebreak-go/firebreak/firebreakhttp"
)

func fetch(url string) ([]byte, error) {
	// snippet: client
	client := firebreakhttp.NewClient("payments") // one for all calls: it keeps connections and state
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	// end snippet
	return io.ReadAll(resp.Body)
}
