package rules

import (
	"fmt"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// httpTransport is TA104.
var httpTransport = &rule.Rule{
	ID:    "TA104",
	Name:  "http-transport-no-limits",
	Title: "an http.Transport without limits is given to a proxy or a library",
	Level: rule.Warning,
	Run:   runHTTPTransport,
}

func runHTTPTransport(pass *rule.Pass) {
	for _, o := range pass.Objects.Objects("net/http", "Transport") {
		missing := missingLimits(o)
		if len(missing) == 0 || o.Given("ResponseHeaderTimeout") == object.Something {
			continue
		}
		missing = append(missing, "ResponseHeaderTimeout")
		use, ok := foreignUse(pass, o)
		if !ok {
			continue
		}
		pass.Report(rule.Finding{
			Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, rule.Medium), Operation: "http.Transport{}",
			Message: fmt.Sprintf("this http.Transport has no %s, unlike http.DefaultTransport, and is given to %s; clone http.DefaultTransport and set ResponseHeaderTimeout",
				strings.Join(missing, ", "), receiverText(use)),
			Uses: []rule.Place{{Pos: use.Pos(), Message: "given to " + receiverText(use)}},
		})
	}
}

// foreignUse returns the use by which a transport comes to a library that is no http.Client:
// a client has limits of its own, or is TA102.
func foreignUse(pass *rule.Pass, o *object.Object) (use object.Use, ok bool) {
	for _, one := range o.Uses {
		if one.Product && one.Kind == object.Stored && inClient(one) {
			return object.Use{}, false // inside another RoundTripper, in a client
		}
	}
	for _, one := range o.Uses {
		if one.Product || byDesign(one) || pass.Scope.At(one.Pos()) != "" {
			continue
		}
		switch one.Kind {
		case object.Stored:
			if !inClient(one) {
				use, ok = one, true
				continue
			}
			return object.Use{}, false
		case object.Passed:
			if !isHarmless(one) && !configuresTransport(one) {
				use, ok = one, true
			}
		default:
		}
	}
	return use, ok
}

func inClient(use object.Use) bool {
	return use.Field != nil && use.Field.Name() == "Transport" && use.Field.Pkg().Path() == "net/http"
}

// configuresTransport reports whether a library's function changes a transport rather than
// sending requests by it.
func configuresTransport(use object.Use) bool {
	return use.Func != nil && strings.HasPrefix(use.Func.Name(), "Configure")
}
