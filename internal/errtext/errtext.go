// Package errtext writes errors for others than the caller whose error it is.
package errtext

import (
	"errors"
	"net/url"
)

// Of returns the text of err, without the URL if it has one: it may hold a secret,
// and the text goes into traces, and to callers of other requests.
func Of(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok && e.Err != nil {
		return Of(e.Err)
	}
	return err.Error()
}
