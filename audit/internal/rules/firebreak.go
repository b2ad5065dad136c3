package rules

import (
	"go/constant"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
)

// module is the import path of firebreak, whose use the rules from TA911 on judge.
const module = "github.com/firebreak-go/firebreak"

// firebreakFunc returns the name of a function of firebreak as its users write it:
// "firebreak.New", "retry.New", or "" if fn is another's.
func firebreakFunc(fn *types.Func) string {
	if fn == nil || fn.Pkg() == nil || !strings.HasPrefix(fn.Pkg().Path(), module) || fn.Signature().Recv() != nil {
		return ""
	}
	if rest := strings.TrimPrefix(fn.Pkg().Path(), module); rest != "" && rest[0] != '/' {
		return ""
	}
	return fn.Pkg().Name() + "." + fn.Name()
}

// constantDuration returns the constant number of nanoseconds that v is.
func constantDuration(v ssa.Value) (nanoseconds int64, ok bool) {
	c, ok := v.(*ssa.Const)
	if !ok || c.Value == nil || c.Value.Kind() != constant.Int {
		return 0, false
	}
	return constant.Int64Val(c.Value)
}

// isServing reports whether fn runs once for each request: it is given a request, or sends
// one as a RoundTripper.
func isServing(fn *ssa.Function) bool {
	for at := fn; at != nil; at = at.Parent() {
		for _, param := range at.Params {
			switch object.TypeName(param.Type()) {
			case "net/http.Request", "net/http.ResponseWriter":
				return true
			}
		}
	}
	return false
}
