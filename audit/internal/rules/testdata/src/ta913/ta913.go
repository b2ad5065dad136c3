// Package ta913 uses gates.
package ta913

import (
	"context"
	"errors"

	"github.com/firebreak-go/firebreak"
)

func deferred(ctx context.Context, g firebreak.Gate, work func() error) error {
	done, err := g.Allow(ctx, firebreak.Call{})
	if err != nil {
		return err
	}
	defer done(firebreak.Outcome{})
	return work()
}

func dropped(ctx context.Context, g firebreak.Gate) error {
	_, err := g.Allow(ctx, firebreak.Call{}) // want "TA913: done is dropped"
	return err
}

func onOnePath(ctx context.Context, g firebreak.Gate, work func() error) error {
	done, err := g.Allow(ctx, firebreak.Call{}) // want "TA913: done is not called on the way to the return at ta913.go:31"
	if err != nil {
		return err
	}
	if err := work(); err != nil {
		return err
	}
	done(firebreak.Outcome{})
	return nil
}

func onAllPaths(ctx context.Context, g firebreak.Gate, work func() error) error {
	done, err := g.Allow(ctx, firebreak.Call{})
	if err == nil {
		if err := work(); err != nil {
			done(firebreak.Outcome{})
			return err
		}
		done(firebreak.Outcome{})
		return nil
	}
	return errors.New("refused")
}

func handedOn(ctx context.Context, g firebreak.Gate) (func(firebreak.Outcome), error) {
	return g.Allow(ctx, firebreak.Call{})
}

func captured(ctx context.Context, g firebreak.Gate, work func() error) error {
	done, err := g.Allow(ctx, firebreak.Call{})
	if err != nil {
		return err
	}
	go func() {
		work()
		done(firebreak.Outcome{})
	}()
	return nil
}

// other is no gate of firebreak.
type other struct{}

func (other) Allow() (func(), error) { return func() {}, nil }

func unrelated(o other) error {
	_, err := o.Allow()
	return err
}
