// Package calls has functions that call each other.
package calls

func leaf() {}

func direct() { leaf() }

func literal() {
	func() { leaf() }()
}

type thing struct{}

func (thing) method() { leaf() }

func (*thing) pointer() { leaf() }

func twice[T any](v T) T { leaf(); return v }

func generic() {
	twice(1)
	twice("a")
}
