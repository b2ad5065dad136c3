package rules

import (
	"fmt"
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/ssa"

	"github.com/firebreak-go/firebreak/audit/internal/object"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
)

// zeroWritten is TA105.
var zeroWritten = &rule.Rule{
	ID:    "TA105",
	Name:  "timeout-written-zero",
	Title: "a limit is written as 0, which is none, without a reason",
	Level: rule.Note, // until its precision is measured
	Run:   runZeroWritten,
}

// A limitField is a field of which 0, or a negative value, means that there is no limit.
type limitField struct {
	path, class, field string
	worst              object.Given
	other              string                                // field that is a limit for the same as well
	owner              func(*rule.Pass, *object.Object) bool // reports whether another rule reports the object
}

var limitFields = []limitField{
	{"net/http", "Client", "Timeout", object.Zero, "", reportsClient},
	{"net/http", "Server", "ReadHeaderTimeout", object.Zero, "ReadTimeout", reportsServer},
	{"net/http", "Server", "ReadTimeout", object.Zero, "ReadHeaderTimeout", reportsServer},
	{"net/http", "Transport", "ResponseHeaderTimeout", object.Zero, "", nil},
	{"net/http", "Transport", "TLSHandshakeTimeout", object.Zero, "", nil},
	{"net", "Dialer", "Timeout", object.Zero, "Deadline", func(pass *rule.Pass, o *object.Object) bool { return len(badDials(pass, o).places) > 0 }},
	{"github.com/redis/go-redis/v9", "Options", "ReadTimeout", object.Negative, "", nil},
	{"github.com/redis/go-redis/v9", "Options", "WriteTimeout", object.Negative, "", nil},
	{"github.com/go-redis/redis/v8", "Options", "ReadTimeout", object.Negative, "", nil},
	{"github.com/go-redis/redis/v8", "Options", "WriteTimeout", object.Negative, "", nil},
}

func runZeroWritten(pass *rule.Pass) {
	for _, limit := range limitFields {
		for _, o := range pass.Objects.Objects(limit.path, limit.class) {
			limit.judge(pass, o)
		}
	}
	for instr, call := range calls(pass) {
		if object.FuncName(object.Callee(call.Common())) != "context.WithTimeout" {
			continue
		}
		if c, ok := call.Common().Args[1].(*ssa.Const); ok && c.Value != nil && c.Int64() <= 0 {
			pass.Report(rule.Finding{
				Pos: start(pass, call), End: end(pass, call), Func: enclosing(instr), Severity: rule.Medium, Operation: "context.WithTimeout",
				Message: "a context.WithTimeout of 0 is not one without a limit: it has ended before it begins; pass the context on as it is, or set a limit",
			})
		}
	}
}

func (l limitField) judge(pass *rule.Pass, o *object.Object) {
	given := o.Given(l.field)
	if given != l.worst || l.other != "" && o.Given(l.other) == object.Something || l.owner != nil && l.owner(pass, o) {
		return
	}
	for _, set := range o.Sets(l.field) {
		pos := set.Instr.Pos()
		if set.Value == nil || pass.Objects.Given(set.Value) != l.worst || hasReason(pass, o.Package, pos) {
			continue
		}
		value := "0"
		if l.worst == object.Negative {
			value = "a negative value"
		}
		class := l.class
		pass.Report(rule.Finding{
			Pos: pos, End: pos, Func: o.Func, Severity: inKind(pass, o.Package, rule.Medium), Operation: class + "." + l.field,
			Message: fmt.Sprintf("%s: %s of a %s means no limit; set one, or say in a comment why there is none", l.field, value, class),
		})
		return
	}
}

// hasReason reports whether a comment stands on the line of pos, or on the one above.
func hasReason(pass *rule.Pass, pkg *program.Package, pos token.Pos) bool {
	if pkg == nil {
		return false
	}
	file := fileOf(pkg, pos)
	if file == nil {
		return false
	}
	line := pass.Program.Fset.Position(pos).Line
	for _, group := range file.Comments {
		if hasComment(pass, group, line) {
			return true
		}
	}
	return false
}

func hasComment(pass *rule.Pass, group *ast.CommentGroup, line int) bool {
	first, last := pass.Program.Fset.Position(group.Pos()).Line, pass.Program.Fset.Position(group.End()).Line
	return first <= line && last >= line-1
}

// reportsServer reports whether TA201 reports a server.
func reportsServer(pass *rule.Pass, o *object.Object) bool {
	uses, decided := servingUses(pass, o)
	return !decided && len(uses) > 0
}
