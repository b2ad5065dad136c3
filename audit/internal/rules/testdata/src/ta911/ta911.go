// Package ta911 opts out.
package ta911

import (
	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/timeout"
)

var events = firebreak.New("events", timeout.Unbounded("a stream of events")) // want `TA911: the calls of this stack have no limit; the reason given is "a stream of events"`

func because(reason string) *timeout.Timeout {
	return timeout.Unbounded(reason) // want "TA911: .* the reason given is computed at run time"
}
