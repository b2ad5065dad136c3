package rules

import (
	"go/constant"
	"go/token"
	"net"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// constantPrefix returns the constant that v is, or that it begins with: of "a:" + port it
// is "a:", of fmt.Sprintf("a:%d", port) as well. ok is false if it begins with what is not
// known.
func constantPrefix(pass *rule.Pass, v ssa.Value) (prefixes []string, ok bool) {
	for _, source := range pass.Objects.Sources(v) {
		prefix, known := sourcePrefix(pass, source)
		if !known {
			return nil, false
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, len(prefixes) > 0
}

func sourcePrefix(pass *rule.Pass, source object.Source) (prefix string, ok bool) {
	switch v := source.Value.(type) {
	case *ssa.Const:
		if v.Value != nil && v.Value.Kind() == constant.String {
			return constant.StringVal(v.Value), true
		}
	case *ssa.BinOp:
		if v.Op == token.ADD {
			return firstPrefix(pass, v.X)
		}
	case *ssa.Call:
		args := v.Common().Args
		switch object.FuncName(object.Callee(v.Common())) {
		case "fmt.Sprintf":
			format, known := firstPrefix(pass, args[0])
			if !known {
				return "", false
			}
			before, _, _ := strings.Cut(format, "%")
			return before, before != ""
		case "net.JoinHostPort":
			return firstPrefix(pass, args[0])
		}
	}
	return "", false
}

func firstPrefix(pass *rule.Pass, v ssa.Value) (prefix string, ok bool) {
	prefixes, ok := constantPrefix(pass, v)
	if !ok || len(prefixes) != 1 {
		return "", false
	}
	return prefixes[0], true
}

// isLoopback reports whether an address is known to be of this machine: no network, and
// nobody else, is on the way.
func isLoopback(pass *rule.Pass, address ssa.Value) bool {
	prefixes, ok := constantPrefix(pass, address)
	if !ok {
		return false
	}
	for _, prefix := range prefixes {
		if !isLoopbackText(prefix) {
			return false
		}
	}
	return true
}

func isLoopbackText(address string) bool {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	address, _, _ = strings.Cut(address, "/")
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]", "::1"} {
		if rest, ok := strings.CutPrefix(address, host); ok && (rest == "" || rest[0] == ':') {
			return true
		}
	}
	host, _, err := net.SplitHostPort(address)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// networks returns the networks that a value may name, such as "tcp" and "unix", or nil if
// that is not known.
func networks(pass *rule.Pass, network ssa.Value) []string {
	prefixes, ok := constantPrefix(pass, network)
	if !ok {
		return nil
	}
	return prefixes
}

// waits reports whether connecting on a network waits for a peer: TCP does, and what is
// not known may.
func waits(pass *rule.Pass, network ssa.Value) bool {
	names := networks(pass, network)
	if names == nil {
		return true
	}
	for _, name := range names {
		if strings.HasPrefix(name, "tcp") || name == "" {
			return true
		}
	}
	return false
}

// isNetwork reports whether others can reach a listener over a network. It is false for a
// Unix socket, for a loopback address, and for a listener of the program's own that gives
// out connections which were dialled.
func isNetwork(pass *rule.Pass, listener ssa.Value) bool {
	for _, source := range pass.Objects.Sources(listener) {
		if sourceIsNetwork(pass, source) {
			return true
		}
	}
	return false
}

func sourceIsNetwork(pass *rule.Pass, source object.Source) bool {
	switch source.Kind {
	case object.Library:
		call, ok := source.Value.(*ssa.Call)
		if !ok {
			return true
		}
		switch object.FuncName(object.Callee(call.Common())) {
		case "net.Listen", "crypto/tls.Listen":
			args := call.Common().Args
			return waits(pass, args[0]) && !isLoopback(pass, args[1])
		case "net.ListenConfig.Listen":
			args := call.Common().Args
			return waits(pass, args[2]) && !isLoopback(pass, args[3])
		case "net.ListenUnix":
			return false
		}
		return true
	case object.Struct:
		stores := pass.Objects.FieldsOf(source.Value)
		for _, store := range stores {
			if isListener(store.Val) && isNetwork(pass, store.Val) {
				return true
			}
		}
		return !hasAccept(pass, source.Value) && len(stores) == 0
	case object.Constant:
		return false
	default:
		return true
	}
}

func isListener(v ssa.Value) bool {
	name := object.TypeName(v.Type())
	return strings.HasPrefix(name, "net.") && strings.HasSuffix(name, "Listener")
}

// hasAccept reports whether v is a type of the program's own that accepts connections.
func hasAccept(pass *rule.Pass, v ssa.Value) bool {
	fn := methodOf(pass, v.Type(), "Accept")
	return fn != nil && len(fn.Blocks) > 0
}
