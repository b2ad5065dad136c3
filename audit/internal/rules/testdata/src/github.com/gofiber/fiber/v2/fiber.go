// Package fiber stands in for the library.
package fiber

import "time"

// Config configures.
type Config struct {
	AppName     string
	ReadTimeout time.Duration
}

// App routes.
type App struct{}

// New returns an App.
func New(config ...Config) *App { return &App{} }

// Listen serves.
func (a *App) Listen(addr string) error { return nil }
