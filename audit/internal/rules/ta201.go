package rules

import (
	"fmt"
	"strings"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// httpServer is TA201.
var httpServer = &rule.Rule{
	ID:    "TA201",
	Name:  "http-server-no-header-timeout",
	Title: "an http.Server without ReadHeaderTimeout or ReadTimeout waits for slow clients for ever",
	Level: rule.Error,
	Run:   runHTTPServer,
}

func runHTTPServer(pass *rule.Pass) {
	for _, o := range pass.Objects.Objects("net/http", "Server") {
		if o.Given("ReadHeaderTimeout") == object.Something || o.Given("ReadTimeout") == object.Something {
			continue
		}
		uses, decided := servingUses(pass, o)
		if decided || len(uses) == 0 {
			continue
		}
		lacks := "ReadHeaderTimeout"
		if o.Given("IdleTimeout") != object.Something {
			lacks += " nor IdleTimeout"
		}
		pass.Report(rule.Finding{
			Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, rule.High), Operation: "http.Server{}",
			Message: fmt.Sprintf("this http.Server has no %s: a client that sends its header slowly, or never ends the TLS handshake, holds a connection for ever; set ReadHeaderTimeout", lacks),
			Uses:    uses,
			Fixes:   setField(pass, o, "ReadHeaderTimeout", pass.Settings.HeaderTimeout),
		})
	}
}

// servingUses returns where a server is put to work. decided is true if something else
// decides about its limits, or nobody can reach it over a network.
func servingUses(pass *rule.Pass, o *object.Object) (uses []rule.Place, decided bool) {
	local := true
	for _, use := range o.Uses {
		if use.Product || pass.Scope.At(use.Pos()) != "" {
			continue
		}
		message := "it is handed on here"
		switch use.Kind {
		case object.Called:
			serves, reachable := servingCall(pass, o, use)
			if !serves {
				continue
			}
			message, local = "it serves here", local && !reachable
		case object.Passed:
			if isHarmless(use) {
				continue
			}
			if configures(use) {
				return nil, true
			}
			message, local = "it is handed to "+receiverText(use)+" here", false
		default:
			local = false
		}
		uses = append(uses, rule.Place{Pos: use.Pos(), Message: message})
	}
	return uses, local && len(uses) > 0
}

// servingCall reports whether a method call puts a server to work, and whether others can
// then reach it over a network.
func servingCall(pass *rule.Pass, o *object.Object, use object.Use) (serves, reachable bool) {
	if use.Func == nil {
		return false, false
	}
	name, isServer := strings.CutPrefix(use.Name(), "net/http.Server.")
	switch {
	case !isServer: // the method of an interface that the server satisfies
		return strings.Contains(use.Func.Name(), "Serve"), true
	case name == "Serve" || name == "ServeTLS":
		args := object.Arguments(use.Call())
		return true, len(args) < 2 || isNetwork(pass, args[1])
	case strings.HasPrefix(name, "ListenAndServe"):
		for _, set := range o.Sets("Addr") {
			reachable = reachable || set.Value == nil || !isLoopback(pass, set.Value)
		}
		return true, reachable || len(o.Sets("Addr")) == 0
	default:
		return false, false
	}
}

// configures reports whether the name of a library's function says that it sets what its
// argument lacks.
func configures(use object.Use) bool {
	if use.Func == nil {
		return false
	}
	name := strings.ToLower(use.Func.Name())
	for _, word := range []string{"default", "timeout", "deadline", "harden", "secure"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
