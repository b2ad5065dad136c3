package missing_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/firebreak-go/firebreak/internal/missing"
)

type key string

func TestWatch(t *testing.T) {
	var seen []string
	watch := func(name string) func() {
		return missing.Watch(func(ctx context.Context, c missing.Call) (context.Context, func()) {
			seen = append(seen, name+" "+c.Op)
			return context.WithValue(ctx, key(name), c.Op), func() { seen = append(seen, name+" ends "+c.Op) }
		})
	}
	call := func(op string) context.Context {
		ctx, end := missing.Begin(context.Background(), missing.Call{Op: op})
		if end != nil {
			end()
		}
		return ctx
	}
	if got := call("nobody"); got != context.Background() {
		t.Errorf("got %v, want the context as it was", got)
	}
	stopA := watch("a")
	call("one")
	stopB := watch("b")
	if ctx := call("two"); ctx.Value(key("a")) != "two" || ctx.Value(key("b")) != "two" {
		t.Errorf("got %v, want the context of both", ctx)
	}
	stopA()
	stopA() // has no effect
	call("three")
	stopB()
	call("four")
	want := []string{"a one", "a ends one", "a two", "b two", "b ends two", "a ends two", "b three", "b ends three"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
