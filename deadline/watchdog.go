package deadline

import "time"

// watch has the watchdog look after the calls in flight as soon as one can be stuck.
func (a *Auditor) watch() {
	if a.watching.CompareAndSwap(false, true) {
		time.AfterFunc(a.cfg.StuckAfter, a.patrol)
	}
}

// patrol finds the calls that are in flight for too long, and comes back while there
// are any that could be.
func (a *Auditor) patrol() {
	now := a.now()
	next, flying := now+a.cfg.StuckAfter, false
	var uncounted []Op
	stuck := a.see(func(f *flight) bool {
		if f.site.reason != "" {
			return false
		}
		flying = true
		late := f.start + a.cfg.StuckAfter
		if f.stuck || late > now {
			if !f.stuck {
				next = min(next, late)
			}
			return false
		}
		f.stuck = true
		if f.uncounted {
			uncounted = append(uncounted, Op{flight: f, number: f.number})
		}
		return true
	})
	for _, op := range uncounted {
		op.count(a.detached)
	}
	for i := range stuck {
		f := &stuck[i]
		f.site.stuck.Add(1)
		a.warnStuck(f)
	}
	if flying {
		time.AfterFunc(next-now, a.patrol)
		return
	}
	a.watching.Store(false)
	if len(a.see(func(f *flight) bool { return f.site.reason == "" })) > 0 {
		a.watch() // for one that began before it could see that nobody watches
	}
}
