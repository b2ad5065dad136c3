// Package ta202echo limits the server of an Echo.
package ta202echo

import (
	"time"

	"github.com/labstack/echo/v4"
)

func start() error {
	e := echo.New()
	e.Server.ReadTimeout = time.Minute
	return e.Start(":8080")
}
