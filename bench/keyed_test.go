package bench

import (
	"context"
	"fmt"
	"sync"

	"github.com/firebreak-go/firebreak"
)

// hostNames returns n different hosts.
func hostNames(n int) []string {
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("host-%03d.example.com", i)
	}
	return hosts
}

// through is a policy that does nothing.
type through struct{}

func (through) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	return next(ctx, c)
}

// mutexMap and syncMap are policies by target, as one writes them by hand. What
// differs from firebreak.Keyed: they grow without bound, forget nothing, and do
// not know which keys are in use.
type mutexMap struct {
	newPolicy func(string) firebreak.Policy

	mu       sync.Mutex // guards policies
	policies map[string]firebreak.Policy
}

func newMutexMap(newPolicy func(string) firebreak.Policy) firebreak.Policy {
	return &mutexMap{newPolicy: newPolicy, policies: make(map[string]firebreak.Policy)}
}

func (m *mutexMap) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	m.mu.Lock()
	p := m.policies[c.Target]
	if p == nil {
		p = m.newPolicy(c.Target)
		m.policies[c.Target] = p
	}
	m.mu.Unlock()
	return p.Do(ctx, c, next)
}

type syncMap struct {
	newPolicy func(string) firebreak.Policy
	policies  sync.Map
}

func newSyncMap(newPolicy func(string) firebreak.Policy) firebreak.Policy {
	return &syncMap{newPolicy: newPolicy}
}

func (m *syncMap) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	p, ok := m.policies.Load(c.Target)
	if !ok {
		p, _ = m.policies.LoadOrStore(c.Target, m.newPolicy(c.Target))
	}
	return p.(firebreak.Policy).Do(ctx, c, next)
}
