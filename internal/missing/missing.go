// Package missing has package deadline learn of the calls of Stacks that have no
// deadline: the core makes them known here, since it cannot import it.
package missing

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// A Call is one of a Stack that begins without a deadline, by design.
type Call struct {
	Stack   string
	Op      string // Call.Op
	Target  string // Call.Target
	Reason  string // that timeout.Unbounded was given
	Inbound bool
}

// A Watcher is told of each such call. It returns the context to make it with, and what
// to call at its end.
type Watcher func(ctx context.Context, c Call) (context.Context, func())

// watchers is nil while there are none, and copied on each change.
var (
	watchers atomic.Pointer[[]*Watcher]
	mu       sync.Mutex // serializes changes
)

// Watch has w told of the calls that begin from now on, until stop is called.
func Watch(w Watcher) (stop func()) {
	change(func(list []*Watcher) []*Watcher { return append(list, &w) })
	return func() {
		change(func(list []*Watcher) []*Watcher {
			return slices.DeleteFunc(list, func(other *Watcher) bool { return other == &w })
		})
	}
}

func change(edit func([]*Watcher) []*Watcher) {
	mu.Lock()
	defer mu.Unlock()
	var list []*Watcher
	if old := watchers.Load(); old != nil {
		list = append(list, *old...)
	}
	if list = edit(list); len(list) == 0 {
		watchers.Store(nil)
		return
	}
	watchers.Store(&list)
}

// Begin tells the watchers of a call. end is nil if there is none.
func Begin(ctx context.Context, c Call) (_ context.Context, end func()) {
	list := watchers.Load()
	switch {
	case list == nil:
		return ctx, nil
	case len(*list) == 1: // the usual number, without a closure
		return (*(*list)[0])(ctx, c)
	default:
		return begin(ctx, c, *list)
	}
}

func begin(ctx context.Context, c Call, list []*Watcher) (context.Context, func()) {
	ends := make([]func(), len(list))
	for i, w := range list {
		ctx, ends[i] = (*w)(ctx, c) //nolint:fatcontext // each adds to it
	}
	return ctx, func() {
		for _, end := range slices.Backward(ends) {
			end()
		}
	}
}
