package firebreakhttp

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/firebreak-go/firebreak"
)

// Propagate has each attempt tell the server how long it will be waited for, in
// [TimeoutHeader], and how important it is, in [PriorityHeader]: a [Handler] that trusts
// the caller then does no work that comes too late, and sheds what matters least. It is
// off by default: a third party has no business to know. What the caller's request says
// in these headers is not sent, for it may be what came in with another.
//
// The time is what is left for the attempt, less a tenth and at most 10ms, for the way
// back.
func Propagate() Option {
	return func(t *RoundTripper) { t.propagate = true }
}

// propagate writes deadline and priority of an attempt under ctx into its header.
func propagate(ctx context.Context, header http.Header) {
	header.Del(TimeoutHeader)
	header.Del(PriorityHeader)
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		left -= min(left/10, 10*time.Millisecond)
		if ms := left.Milliseconds(); ms > 0 {
			header.Set(TimeoutHeader, strconv.FormatInt(ms, 10))
		}
	}
	if p := firebreak.PriorityOf(ctx); p != firebreak.PriorityDefault {
		header.Set(PriorityHeader, p.String())
	}
}
