package ta404

import (
	"context"
	"time"

	"golang.org/x/oauth2"
)

func dropped(config *oauth2.Config, code string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if token, err := config.Exchange(ctx, code); err == nil {
		return token, nil
	}
	return config.Exchange(context.Background(), code) // want `TA404: oauth2.Config.Exchange waits on a context without a deadline .*, while one with a deadline is at hand`
}

func inner(ctx context.Context, config *oauth2.Config, code string) (string, error) {
	return config.Exchange(context.TODO(), code) // want `TA404: `
}

func outer(config *oauth2.Config, code string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return inner(ctx, config, code)
}

// What cleans up after a deadline cannot use it: that lacks a limit of its own.
func cleaning(config *oauth2.Config, code string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	<-ctx.Done()
	_, _ = config.Exchange(context.Background(), code) // want `TA401: `
}
