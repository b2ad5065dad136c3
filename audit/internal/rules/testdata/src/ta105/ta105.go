// Package ta105 writes limits as 0.
package ta105

import (
	"context"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
)

func findsNegative() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:        "redis:6379",
		ReadTimeout: -1,
	})
}

func storeWithReason() *redis.Client {
	return redis.NewClient(&redis.Options{
		ReadTimeout: -1, // blocking pops
	})
}

func storeLimited() *redis.Client {
	return redis.NewClient(&redis.Options{ReadTimeout: time.Second, WriteTimeout: 0}) // 0 is the default of 3s
}

// FindsZero leaves the deadline to its callers.
func FindsZero(ctx context.Context) {
	client := &http.Client{Timeout: 0}
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	client.Do(req)
}

// CallWithReason says why.
func CallWithReason(ctx context.Context) {
	// The callers set deadlines.
	client := &http.Client{Timeout: 0}
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	client.Do(req)
}

// Another rule reports what is used without a deadline.
func get() { (&http.Client{Timeout: 0}).Get("https://example.com") }

func findsExpired(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	return ctx.Err()
}

func served() error {
	server := &http.Server{ReadHeaderTimeout: 0, ReadTimeout: time.Second}
	return server.ListenAndServe()
}
