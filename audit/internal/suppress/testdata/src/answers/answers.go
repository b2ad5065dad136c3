// Package answers has calls of wait, some of which are answered by a directive.
package answers

func wait(string) int { return 0 }

func sameLine() {
	wait("kept")
	wait("same line") //firebreak-audit:ignore TA102 reason="on the line"
}

func lineAbove() {
	//firebreak-audit:ignore TA102 reason="above it"
	wait("line above")
	wait("kept: next but one")

	// A remark, and then
	//firebreak-audit:ignore http-client-no-timeout reason="by its name"
	// another.
	wait("in a group")
}

// inDoc is answered as a whole. Gofmt puts a space into the comment.
//
// firebreak-audit:ignore TA999,TA102 reason="all of it"
func inDoc() {
	wait("in a function")
	func() { wait("in a literal") }()
}

func statement() {
	//firebreak-audit:ignore TA102 reason="a long statement"
	use(1,
		wait("in a statement"),
		func() int {
			return wait("kept: in a block of the statement")
		}(),
	)
}

func use(...int) {}

// firebreak-audit:ignore TA102 reason="of the package"
var atPackageLevel = wait("package level")

var (
	first  = wait("kept: first of a group")
	second = wait("second of a group") //firebreak-audit:ignore TA102 reason="only this"
)

// watch has no end.
//
// firebreak-audit:unbounded
func watch() {
	wait("unbounded")
}

type holder struct {
	//firebreak-audit:unbounded reason="its users say how long"
	n int
}

func noReason() {
	wait("kept: no reason")     //firebreak-audit:ignore TA102
	wait("kept: empty reason")  //firebreak-audit:ignore TA102 reason=" "
	wait("kept: not quoted")    //firebreak-audit:ignore TA102 reason=because
	wait("kept: no rule")       //firebreak-audit:ignore reason="all of them"
	wait("kept: other rule")    //firebreak-audit:ignore TA999 reason="another"
	wait("kept: unknown rule")  //firebreak-audit:ignore TA777 reason="another"
	wait("kept: unknown verb")  //firebreak-audit:ingore TA102 reason="a slip"
	wait("kept: no directive")  // See firebreak-audit:ignore TA102 reason="a remark"
	wait("kept: not the start") /* //firebreak-audit:ignore TA102 reason="a remark" */
}

// firebreak-audit:ignore TA102,TA998 reason="one of two is stale, the other is off"
func stale() {}
