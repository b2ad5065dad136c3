package errtext_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/firebreak-go/firebreak/internal/errtext"
)

// Behaviour 233: "Errors never contain payload: no response dumps, no URLs with
// secrets."
func TestA12_233_NoURL(t *testing.T) {
	reset := errors.New("connection reset by peer")
	get := &url.Error{Op: "Get", URL: "https://api.example.com/?key=secret", Err: reset}
	for _, test := range []struct {
		err  error
		want string
	}{
		{reset, "connection reset by peer"},
		{get, "connection reset by peer"},
		{fmt.Errorf("lookup: %w", get), "connection reset by peer"},
		{&url.Error{Op: "Get", URL: "https://a.example.com/?key=secret", Err: get}, "connection reset by peer"},
	} {
		if got := errtext.Of(test.err); got != test.want {
			t.Errorf("Of(%q): got %q, want %q", test.err, got, test.want)
		}
	}
}
