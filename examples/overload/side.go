package main

import (
	"context"
	"net/http"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/database"
)

// The names of the sides.
const (
	plain     = "plain"
	protected = "firebreak"
)

// A side is a server and those who call it.
type side struct {
	name    string
	service *service
	call    caller
	hangUp  func()
	on      *listener
}

// newSides starts both servers. If it fails, those that are returned have been started.
func newSides(ctx context.Context, random bool) ([]*side, error) {
	var sides []*side
	for _, s := range []struct {
		name string
		wrap func(http.Handler) *http.Server
	}{{plain, newPlain}, {protected, newProtected}} {
		service := newService(random)
		on, err := listen(ctx, s.wrap(service))
		if err != nil {
			return sides, err
		}
		call, hangUp := newCaller(on.url)
		sides = append(sides, &side{name: s.name, service: service, call: call, hangUp: hangUp, on: on})
	}
	return sides, nil
}

// close ends the server. It returns when it has ended.
func (s *side) close(ctx context.Context) error {
	s.hangUp()
	return s.on.close(ctx)
}

// driveAll drives one load after the other, each on one side after the other. done is
// called with each row; a load that ctx cuts off has none.
func driveAll(ctx context.Context, o options, sides []*side, p progress, done func(row)) []row {
	var rows []row
	for i, load := range loads {
		schedule := newSchedule(o.seed+uint64(i), load*database.Capacity, o.step+patience)
		for _, s := range sides {
			t := newTally(s.name, load)
			d := drive{
				schedule: schedule, lead: lead(o.step), length: o.step,
				call: s.call, tally: t, used: s.service.db.Used,
				tick: func() { p.show(t) },
			}
			d.run(ctx)
			p.Clear()
			if ctx.Err() != nil {
				return rows
			}
			r, _ := t.now()
			rows = append(rows, r)
			done(r)
		}
	}
	return rows
}

// lead returns how much of a step is not counted. A queue that grows needs about as long
// as its callers have patience until it is as long as it will be.
func lead(step time.Duration) time.Duration { return step * 2 / 5 }
