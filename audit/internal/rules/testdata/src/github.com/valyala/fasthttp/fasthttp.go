// Package fasthttp stands in for the library.
package fasthttp

import "time"

// Server serves.
type Server struct {
	Name        string
	ReadTimeout time.Duration
}

// ListenAndServe serves.
func (s *Server) ListenAndServe(addr string) error { return nil }

// ListenAndServe serves.
func ListenAndServe(addr string, handler func()) error { return nil }
