package rules

import (
	"fmt"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// httpRequest is TA103.
var httpRequest = &rule.Rule{
	ID:    "TA103",
	Name:  "http-request-unbounded",
	Title: "a request without a deadline goes out by a client that has no limit",
	Level: rule.Error,
	Run:   runHTTPRequest,
}

// runHTTPRequest reports requests by clients that are not made in the program: by
// http.DefaultClient, and by what a library returns that is known to have no limit. The
// others are uses of the client where it is made, which is TA102.
func runHTTPRequest(pass *rule.Pass) {
	if !defaultClientBounded(pass) {
		for _, shared := range defaultClients {
			for _, o := range pass.Objects.Mentions(shared.path, "DefaultClient") {
				if v := judgeClient(pass, o); len(v.bad) > 0 && isDirect(o, v) {
					reportRequest(pass, shared.name, v)
				}
			}
		}
	}
	for _, call := range calls(pass) {
		made, ok := call.(*ssa.Call)
		if !ok {
			continue
		}
		name, index := unlimitedClient(made)
		if name == "" {
			continue
		}
		o := pass.Objects.Result(made, index)
		if o.Given("Timeout") == object.Something {
			continue
		}
		v := judgeClient(pass, o)
		for _, bad := range v.bad {
			if isHTTPMethod(bad.use) {
				reportRequest(pass, "the client of "+name, clientVerdict{bad: []clientUse{bad}})
			}
		}
	}
}

func reportRequest(pass *rule.Pass, client string, v clientVerdict) {
	bad := v.bad[0]
	places := v.places()
	pass.Report(rule.Finding{
		Pos: start(pass, bad.use.Instr), End: end(pass, bad.use.Instr), Func: enclosing(bad.use.Instr), Severity: inFunc(pass, bad.use.Instr.Parent(), rule.High),
		Operation: client + "." + bad.use.Func.Name(),
		Message:   fmt.Sprintf("%s never times out: %s; give the request a context with a deadline, or use a client with a Timeout", client, bad.text),
		Uses:      places[1:], Provenance: v.provenance(),
	})
}

// unlimitedClient returns the name of the function that a call calls if it returns an
// http.Client that is known to have no limit, and which of the results that is.
func unlimitedClient(call *ssa.Call) (name string, index int) {
	fn := object.Callee(call.Common())
	if fn == nil || fn.Pkg() == nil {
		return "", 0
	}
	results := fn.Signature().Results()
	for i := range results.Len() {
		if object.TypeName(results.At(i).Type()) == "net/http.Client" && unlimitedClients[object.FuncName(fn)] {
			return fn.Pkg().Name() + "." + fn.Name(), i
		}
	}
	return "", 0
}

// unlimitedClients are functions of libraries that return an http.Client whose Timeout is
// zero, and whose transport does not limit the wait for a response.
var unlimitedClients = map[string]bool{
	"github.com/hashicorp/go-cleanhttp.DefaultClient":                         true,
	"github.com/hashicorp/go-cleanhttp.DefaultPooledClient":                   true,
	"golang.org/x/oauth2.NewClient":                                           true,
	"golang.org/x/oauth2.Config.Client":                                       true,
	"golang.org/x/oauth2/clientcredentials.Config.Client":                     true,
	"golang.org/x/oauth2/jwt.Config.Client":                                   true,
	"golang.org/x/oauth2/google.DefaultClient":                                true,
	"github.com/dghubble/oauth1.Config.Client":                                true,
	"github.com/dghubble/oauth1.NewClient":                                    true,
	"github.com/DataDog/dd-trace-go/contrib/net/http/v2.WrapClient":           true,
	"gopkg.in/DataDog/dd-trace-go.v1/contrib/net/http.WrapClient":             true,
	"go.elastic.co/apm/module/apmhttp/v2.WrapClient":                          true,
	"github.com/aws/aws-xray-sdk-go/xray.Client":                              true,
	"google.golang.org/api/transport/http.NewClient":                          true,
	"google.golang.org/api/idtoken.NewClient":                                 true,
	"github.com/dghubble/oauth1/twitter.Client":                               true,
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp.NewClient": true,
}
