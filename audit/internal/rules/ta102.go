package rules

import (
	"fmt"

	"golang.org/x/tools/go/analysis"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// httpClient is TA102.
var httpClient = &rule.Rule{
	ID:    "TA102",
	Name:  "http-client-no-timeout",
	Title: "an http.Client without a Timeout sends requests without a deadline",
	Level: rule.Error,
	Run:   runHTTPClient,
}

func runHTTPClient(pass *rule.Pass) {
	for _, o := range pass.Objects.Objects("net/http", "Client") {
		if boundedClient(pass, o) {
			continue
		}
		v := judgeClient(pass, o)
		if len(v.bad) == 0 {
			continue
		}
		severity := rule.High
		message := fmt.Sprintf("this http.Client has no Timeout: %s at %s; set Timeout, or give each request a context with a deadline",
			v.bad[0].text, short(pass, v.bad[0].use.Pos()))
		if v.escapes {
			severity = rule.Medium
			message = fmt.Sprintf("this http.Client has no Timeout and is %s; set Timeout", v.bad[0].text)
		}
		var fixes []analysis.SuggestedFix
		if !v.escapes && !streams(o) {
			fixes = setField(pass, o, "Timeout", pass.Settings.CallTimeout)
		}
		uses := v.places()
		uses = append(uses, transportPlaces(pass, o)...)
		pass.Report(rule.Finding{
			Pos: o.Pos, End: o.End, Func: o.Func, Severity: inKind(pass, o.Package, severity), Operation: "http.Client{}",
			Message: message, Uses: uses, Provenance: v.provenance(), Fixes: fixes,
		})
	}
}

// transportPlaces returns the transports of a client that lack limits as well.
func transportPlaces(pass *rule.Pass, client *object.Object) []rule.Place {
	var places []rule.Place
	for _, set := range client.Sets("Transport") {
		if set.Value == nil {
			continue
		}
		for _, source := range pass.Objects.Sources(set.Value) {
			for _, o := range pass.Objects.Objects("net/http", "Transport") {
				if o.Value == source.Value && len(missingLimits(o)) > 0 {
					places = append(places, rule.Place{Pos: o.Pos, Message: "its transport does not limit connecting, the handshake or the wait for a response either"})
				}
			}
		}
	}
	return places
}
