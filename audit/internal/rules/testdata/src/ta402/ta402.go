package ta402

import (
	"context"
	"time"

	"golang.org/x/oauth2"
)

func login(ctx context.Context, config *oauth2.Config, code string) (string, error) {
	return config.Exchange(ctx, code)
}

func retried(ctx context.Context, config *oauth2.Config, code string) (string, error) {
	return login(ctx, config, code)
}

func limited(ctx context.Context, config *oauth2.Config, code string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return config.Exchange(ctx, code)
}

func runForEver(ctx context.Context, config *oauth2.Config, code string) {
	_, _ = config.Exchange(ctx, code)
}

// untilDone waits as long as the user takes.
//
// firebreak-audit:unbounded
func untilDone(ctx context.Context, config *oauth2.Config, code string) {
	_, _ = config.Exchange(ctx, code)
}

func start(config *oauth2.Config, code string) {
	ctx := context.Background()
	_, _ = login(ctx, config, code)   // want `TA402: login gets a context without a deadline \(context.Background\(\)\), and waits in oauth2.Config.Exchange`
	_, _ = retried(ctx, config, code) // want `TA402: retried gets`
	_, _ = limited(ctx, config, code)
	runForEver(ctx, config, code)
	untilDone(ctx, config, code)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = login(ctx, config, code)
}
