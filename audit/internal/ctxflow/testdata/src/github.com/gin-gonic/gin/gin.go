// Package gin stands in for the framework of that name.
package gin

import (
	"context"
	"net/http"
)

type Context struct {
	Request *http.Request
	context.Context
}

func (c *Context) GetString(key string) string { return key }
