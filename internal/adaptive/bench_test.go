package adaptive

import (
	"testing"
	"time"
)

func BenchmarkAdmitRelease(b *testing.B) {
	l := New(0, Config{})
	now := time.Duration(0)
	for b.Loop() {
		now += 100 * time.Microsecond
		if !l.TryAdmit(now) {
			b.Fatal("not admitted")
		}
		l.Release(now, time.Millisecond, Completed)
	}
}

func BenchmarkAdmitReleaseParallel(b *testing.B) {
	l := New(0, Config{})
	b.RunParallel(func(pb *testing.PB) {
		now := time.Duration(0)
		for pb.Next() {
			now += 100 * time.Microsecond
			if l.TryAdmit(now) {
				l.Release(now, time.Millisecond, Completed)
			}
		}
	})
}

// A refusal by a full class, with the time at which to come back.
func BenchmarkRefuse(b *testing.B) {
	l := New(0, Config{})
	fillUp(b, l)
	w := &Waiter{Wake: func() {}}
	b.Run("verdict", func(b *testing.B) {
		for b.Loop() {
			if l.Arrive(0, Default, 0, w) != Full {
				b.Fatal("not refused")
			}
		}
	})
	b.Run("with RetryAfter", func(b *testing.B) {
		for b.Loop() {
			if l.Arrive(0, Default, 0, w) != Full || l.RetryAfter(0, Default) < time.Second {
				b.Fatal("not refused")
			}
		}
	})
}

// A slot that is handed on to who waits.
func BenchmarkHandOn(b *testing.B) {
	l := New(0, Config{})
	for l.TryAdmit(0) {
	}
	w := &Waiter{}
	w.Wake = func() {}
	for b.Loop() {
		*w = Waiter{Wake: w.Wake}
		if l.Arrive(0, Default, 0, w) != Queued {
			b.Fatal("not queued")
		}
		l.Release(0, time.Millisecond, Completed)
	}
}

// fillUp takes all slots and all the room of all classes.
func fillUp(tb testing.TB, l *Limiter) {
	tb.Helper()
	for l.TryAdmit(0) {
	}
	for l.Arrive(0, Critical, 0, &Waiter{Wake: func() {}}) == Queued {
	}
}
