package firebreakgrpc

import (
	"fmt"
	"testing"
)

// What is remembered of methods is bounded, and beyond that the answer is the same.
func TestDeclarationsAreBounded(t *testing.T) {
	var d declarations
	for i := range 3 * maxMethods {
		if d.idempotent(fmt.Sprintf("/test.Shop/Method%d", i)) {
			t.Fatal("a method that nobody has declared is idempotent")
		}
	}
	if n := len(*d.known.Load()); n != maxMethods {
		t.Errorf("%d methods are remembered, want %d", n, maxMethods)
	}
	for range 2 {
		for method, want := range map[string]bool{
			"/test.Shop/Lookup": true, "/test.Shop/SetPrice": true, "/test.Shop/Buy": false, // declared by the tests of the other package
			"/test.Shop/Other": false, "/test.Shop": false, "": false, "/": false, "//": false, "/test/Shop": false, "/google.protobuf.StringValue/value": false,
		} {
			for name, known := range map[string]*declarations{"full": &d, "empty": new(declarations)} {
				if got := known.idempotent(method); got != want {
					t.Errorf("%q is idempotent: %t, want %t (%s)", method, got, want, name)
				}
			}
		}
	}
}
