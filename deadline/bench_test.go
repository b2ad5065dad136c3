package deadline_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/deadline"
)

// deeply calls f with as many frames below it as a service has.
//
//go:noinline
func deeply(frames int, f func()) {
	if frames == 0 {
		f()
		return
	}
	deeply(frames-1, f)
}

// What a call costs, and the eight program counters that are most of it.
func BenchmarkBegin(b *testing.B) {
	bounded, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	a := deadline.New(deadline.Config{})
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			deeply(20, func() {
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		})
	}
	run("bounded", func() {
		_, op, _ := a.Begin(bounded, "http.client", "api.example.com")
		op.End()
	})
	run("unbounded", func() {
		_, op, _ := a.Begin(context.Background(), "http.client", "api.example.com")
		op.End()
	})
	run("Check/bounded", func() { _ = a.Check(bounded, "kafka.publish") })
	run("Check/unbounded", func() { _ = a.Check(context.Background(), "kafka.publish") })
	run("eight program counters", func() {
		var pcs [8]uintptr
		runtime.Callers(1, pcs[:])
	})
}

func BenchmarkBeginParallel(b *testing.B) {
	a := deadline.New(deadline.Config{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		deeply(20, func() {
			for pb.Next() {
				_, op, _ := a.Begin(context.Background(), "http.client", "api.example.com")
				op.End()
			}
		})
	})
}
