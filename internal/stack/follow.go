//go:build (amd64 || arm64) && gc && !purego

package stack

import (
	"runtime"
	"slices"
	"unsafe"
)

// follow stores return addresses at pcs, which has room for limit of them, by following
// the frame pointers, as the tracer of the runtime does, and returns how many they are.
// The first one is from, or if that is nil that of its caller.
//
// It is written in assembly, which is never preempted: the runtime cannot move the stack
// meanwhile. It reads nothing but the stack of the goroutine, and always outwards, so
// that it ends, and cannot fault, whatever it finds there. If that leads elsewhere, as C
// code does that has called back, it returns -1.
//
//go:noescape
func follow(from unsafe.Pointer, pcs *uintptr, limit int) int

// followed says whether follow sees what the runtime does. That stands and falls with
// the compiler, which is not of this module: where they differ, the runtime is asked.
var followed = called(agrees)

// called calls f, which makes it a frame that is known to be there.
//
//go:noinline
func called(f func() bool) bool { return f() }

// agrees looks for its caller and the one below.
//
//go:noinline
func agrees() bool {
	var ours, theirs [4]uintptr
	n := max(follow(nil, &ours[0], len(ours)), 0)
	if runtime.Callers(1, theirs[:]) < 3 {
		return false
	}
	at := slices.Index(ours[:n], theirs[1])
	return at >= 0 && at+1 < n && ours[at+1] == theirs[2]
}
