package firebreakgrpc

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// isIdempotent reports whether a call of method with opts is as good made twice as made
// once.
func (t *client) isIdempotent(method string, opts []grpc.CallOption) bool {
	for _, match := range t.idempotent {
		if match(method) {
			return true
		}
	}
	for _, opt := range opts {
		if _, ok := opt.(idempotentOption); ok {
			return true
		}
	}
	if t.idempotentBy != nil {
		return t.idempotentBy(method)
	}
	return declared.idempotent(method)
}

// maxDeclared bounds what is remembered of methods, should their names be made up: what
// is beyond is looked up each time.
const maxDeclared = 1000

// declarations remembers what descriptors say of methods. The zero value knows nothing.
type declarations struct {
	known atomic.Pointer[map[string]bool] // replaced, never changed
	mu    sync.Mutex                      // serializes replacements
}

// declared is of the descriptors that generated code has registered.
var declared declarations

func (d *declarations) idempotent(method string) bool {
	known := d.known.Load()
	if known != nil {
		if idempotent, ok := (*known)[method]; ok {
			return idempotent
		}
		if len(*known) >= maxDeclared {
			return declaredIdempotent(method)
		}
	}
	idempotent := declaredIdempotent(method)
	d.mu.Lock()
	defer d.mu.Unlock()
	more := map[string]bool{strings.Clone(method): idempotent}
	if known = d.known.Load(); known != nil {
		maps.Copy(more, *known)
	}
	d.known.Store(&more)
	return idempotent
}

// declaredIdempotent looks the option idempotency_level of method up.
func declaredIdempotent(method string) bool {
	service, name := split(method)
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		return false // the code of this service has not been generated, or not for protobuf
	}
	m, ok := descriptor.(protoreflect.MethodDescriptor)
	if !ok {
		return false
	}
	options, ok := m.Options().(*descriptorpb.MethodOptions)
	if !ok {
		return false
	}
	switch options.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS, descriptorpb.MethodOptions_IDEMPOTENT:
		return true
	default:
		return false
	}
}
