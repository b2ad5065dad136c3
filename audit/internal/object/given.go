package object

import (
	"go/constant"

	"golang.org/x/tools/go/ssa"
)

// A Given says what a field of an object was given.
type Given int

// What a field is given.
const (
	// Nothing is a field that is never set.
	Nothing Given = iota

	// Zero is a field that is only ever set to its zero value.
	Zero

	// Negative is a field that is set to a negative constant, and to nothing else but zero.
	Negative

	// Something is a field that is set to what is not known to be zero.
	Something
)

// Given says what the field with that name was given.
func (o *Object) Given(field string) Given {
	return o.given(field, make(map[*Object]bool))
}

func (o *Object) given(field string, seen map[*Object]bool) Given {
	seen[o] = true
	given := Nothing
	for _, set := range o.sets[field] {
		if set.Value == nil {
			return Something
		}
		given = max(given, o.table.Given(set.Value))
	}
	for _, copied := range o.copied {
		for _, source := range o.table.Sources(copied) {
			given = max(given, o.table.copiedField(source, field, seen))
		}
	}
	return given
}

// copiedField says what the field of a struct was given that is copied as a whole.
func (t *Table) copiedField(source Source, field string, seen map[*Object]bool) Given {
	switch source.Kind {
	case Constant:
		return Nothing
	case Struct:
		for _, o := range t.Objects(splitName(TypeName(source.Value.Type()))) {
			if o.Value == source.Value {
				if seen[o] {
					return Nothing
				}
				return o.given(field, seen)
			}
		}
	case Variable:
		return Nothing
	default:
	}
	return Something
}

// Given says what v is as the value of a limit.
func (t *Table) Given(v ssa.Value) Given {
	given := Nothing
	for _, source := range t.Sources(v) {
		one := Something
		if c, ok := source.Value.(*ssa.Const); ok && source.Kind == Constant {
			one = constantGiven(c)
		}
		given = max(given, one)
	}
	return given
}

func constantGiven(c *ssa.Const) Given {
	if c.Value == nil {
		return Zero // nil, or a zero struct
	}
	switch c.Value.Kind() {
	case constant.Int, constant.Float:
		switch constant.Sign(c.Value) {
		case 0:
			return Zero
		case -1:
			return Negative
		}
	case constant.String:
		if constant.StringVal(c.Value) == "" {
			return Zero
		}
	case constant.Bool:
		if !constant.BoolVal(c.Value) {
			return Zero
		}
	default:
	}
	return Something
}
