package snippets

import (
	"log/slog"

	"github.com/firebreak-go/firebreak"
)

func logEvents(log *slog.Logger) (cancel func()) {
	// snippet: subscribe
	cancel = firebreak.Subscribe(func(e firebreak.Event) {
		log.Info("firebreak", "stack", e.Stack, "kind", e.Kind, "policy", e.Policy, "reason", e.Reason,
			"target", e.Target, "attempt", e.Attempt, "duration", e.Duration, "error", e.Err)
	})
	// end snippet
	return cancel
}
