package bulkhead_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/bulkhead"
)

// A free slot is taken, a full queue rejects, and between the two it is left to Do, which
// may wait.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bulkhead.New(bulkhead.Config{MaxCalls: 1, MaxQueue: 1, MaxWait: time.Minute})
		slot, rejection := b.Reserve(t.Context(), firebreak.Call{})
		if slot == nil || rejection != nil {
			t.Fatalf("Reserve of an empty bulkhead returned %v, %v, want a slot", slot, rejection)
		}
		if r, rejection := b.Reserve(t.Context(), firebreak.Call{}); r != nil || rejection != nil {
			t.Errorf("Reserve with room in the queue returned %v, %v, want neither", r, rejection)
		}
		ended := make(chan error)
		go func() {
			_, err := b.Do(t.Context(), firebreak.Call{}, answering("answer", nil))
			ended <- err
		}()
		synctest.Wait()
		_, rejection = b.Reserve(t.Context(), firebreak.Call{})
		if rejection == nil || rejection.Reason != "full" || rejection.Err != bulkhead.ErrFull || rejection.Limit != 1 { //nolint:errorlint // the very same
			t.Errorf("Reserve with a full queue returned %+v, want the rejection", rejection)
		}
		slot.Cancel() // to the one who waits
		if err := <-ended; err != nil {
			t.Errorf("the call that waited got %v, want the slot that was given back", err)
		}
	})
}

// A reserved slot is held like any other: until the result has ended.
func TestReserveHoldsUntilResultEnds(t *testing.T) {
	b := bulkhead.New(bulkhead.Config{MaxCalls: 1})
	slot, _ := b.Reserve(t.Context(), firebreak.Call{})
	result := new(body)
	_, _ = slot.Do(t.Context(), firebreak.Call{}, answering(result, nil))
	if _, rejection := b.Reserve(t.Context(), firebreak.Call{}); rejection == nil {
		t.Error("a second slot of one while the result is in use")
	}
	result.Discard()
	if slot, rejection := b.Reserve(t.Context(), firebreak.Call{}); slot == nil {
		t.Errorf("got %v after the result had ended, want a slot", rejection)
	}
}
