//go:build (amd64 || arm64) && gc && !purego

package stack

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"
)

// Where there are frame pointers, they are followed.
func TestFollowed(t *testing.T) {
	if !followed {
		t.Error("frame pointers do not lead where the runtime goes")
	}
}

// Each goroutine has an end, which is not taken for a stack that leads elsewhere.
func TestFollowToTheEnd(t *testing.T) {
	var wg sync.WaitGroup
	wg.Go(func() {
		var pcs [100]uintptr
		if n := follow(nil, &pcs[0], len(pcs)); n < 2 || n == len(pcs) {
			t.Errorf("got %d return addresses, want the few that there are", n)
		}
	})
	wg.Wait()
}

// What is no frame pointer is not followed, nor is one that leads back.
func TestFollowElsewhere(t *testing.T) {
	inHeap := new([1 << 16]uintptr)
	heap := unsafe.Pointer(inHeap) //nolint:gosec // it is compared, and not followed
	for _, test := range []struct {
		name     string
		to       uintptr
		relative bool // to where it stands
	}{
		{name: "an odd address", to: 0x1234567},
		{name: "the heap", to: uintptr(heap)},
		{name: "no memory", to: ^uintptr(0)},
		{name: "itself", relative: true},
		{name: "back", to: ^uintptr(63), relative: true},
		{name: "beyond the stack", to: 1 << 30, relative: true},
	} {
		var frame [2]uintptr           // a frame pointer, and a return address
		from := unsafe.Pointer(&frame) //nolint:gosec // this is what it is for
		frame[0], frame[1] = test.to, 42
		if test.relative {
			frame[0] += uintptr(from)
		}
		var pcs [100]uintptr
		if n := follow(from, &pcs[0], len(pcs)); n != -1 || pcs[0] != 42 || pcs[1] != 0 {
			t.Errorf("%s: got %d and %v, want the one address and -1", test.name, n, pcs[:2])
		}
	}
	if n := follow(heap, &new([1]uintptr)[0], 1); n != -1 {
		t.Errorf("from the heap: got %d, want -1", n)
	}
	runtime.KeepAlive(inHeap)
}
