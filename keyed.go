package firebreak

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// DefaultMaxKeys is how many keys a [KeyedPolicy] tells apart by default.
const DefaultMaxKeys = 1000

// OverflowKey is the key of the policy that all calls share for whose key there
// is no room.
const OverflowKey = "(other)"

// idleAfter is for how long a key without calls is remembered.
const idleAfter = 10 * time.Minute

// scanLimit is how many keys are looked at to make room for a new one.
const scanLimit = 8

// A KeyedPolicy gives each key a policy of its own: a breaker per dependency, a
// bulkhead per tenant. It is bounded, so that keys that come from outside cannot
// fill the memory. It is safe for concurrent use.
type KeyedPolicy struct {
	key       func(Call) string
	newPolicy func(key string) Policy
	maxKeys   int
	overflow  *entry
	start     time.Time

	mu      sync.Mutex // guards the fields below
	entries map[string]*entry
	lru     entry // head of the ring of entries: next was used last, prev the longest ago
}

// entry is the policy of one key.
type entry struct {
	key        string
	policy     Policy
	inUse      int           // calls whose results have not ended
	usedAt     time.Duration // since the start of the KeyedPolicy
	prev, next *entry
}

// A KeyedOption changes a default of [Keyed].
type KeyedOption func(*KeyedPolicy)

// MaxKeys sets how many keys are told apart, over 0. The default is 1,000. It
// bounds the memory: a key with a retry budget, a breaker and a bulkhead takes
// less than 1.5 kB.
func MaxKeys(n int) KeyedOption {
	return func(k *KeyedPolicy) { k.maxKeys = n }
}

// Keyed returns a policy that keeps one policy, made by newPolicy, for each value
// of key. Both run without a lock.
//
// When there are as many keys as [MaxKeys] allows, the one that was used the
// longest ago makes room for a new one, but never one with calls in flight, nor
// one that still has something to remember, such as an open breaker (see
// [Evicter]). If there is none, the call shares the policy of [OverflowKey]
// with all others of that kind: a new key never gets around a limit. A new
// key also has some forgotten that were not used for ten minutes.
//
// newPolicy is called once at the start, with OverflowKey, so that a wrong
// configuration panics there and not in the first call. Keyed panics if key or
// newPolicy is nil, if newPolicy returns nil, or if a limit is not over 0.
func Keyed(key func(Call) string, newPolicy func(key string) Policy, options ...KeyedOption) *KeyedPolicy {
	if key == nil || newPolicy == nil {
		panic("firebreak.Keyed: key or newPolicy is nil, want functions")
	}
	k := &KeyedPolicy{key: key, newPolicy: newPolicy, maxKeys: DefaultMaxKeys, entries: make(map[string]*entry), start: time.Now()}
	for i, option := range options {
		if option == nil {
			panic(fmt.Sprintf("firebreak.Keyed: option %d is nil, want a KeyedOption", i+1))
		}
		option(k)
	}
	if k.maxKeys < 1 {
		panic(fmt.Sprintf("firebreak.Keyed: MaxKeys is %d, want more than 0", k.maxKeys))
	}
	k.lru.prev, k.lru.next = &k.lru, &k.lru
	k.overflow = k.newEntry(OverflowKey)
	return k
}

func (k *KeyedPolicy) newEntry(key string) *entry {
	p := k.newPolicy(key)
	if isNil(p) {
		panic(fmt.Sprintf("firebreak.Keyed: newPolicy(%q) is nil, want a policy", key))
	}
	return &entry{key: key, policy: p}
}

// Do runs the call through the policy of its key.
func (k *KeyedPolicy) Do(ctx context.Context, c Call, next Handler) (any, error) {
	e := k.acquire(k.key(c))
	left := false
	defer func() {
		if !left {
			k.release(e)
		}
	}()
	result, err := e.policy.Do(ctx, c, next)
	left = true
	if p, ok := result.(Pending); ok && !p.Ended() {
		p.OnDone(func(Outcome) { k.release(e) })
	} else {
		k.release(e)
	}
	return result, err
}

// acquire returns the entry for key, in use.
func (k *KeyedPolicy) acquire(key string) *entry {
	if e := k.lookup(key); e != nil {
		return e
	}
	made := k.newEntry(key) // without the lock: it is the user's code
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[key]
	switch {
	case e != nil: // another call was faster
		k.unlink(e)
	case k.hasRoom():
		e = made
		k.entries[key] = e
	default:
		e = k.overflow
	}
	return k.use(e)
}

func (k *KeyedPolicy) lookup(key string) *entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[key]
	if e == nil {
		return nil
	}
	k.unlink(e)
	return k.use(e)
}

// use marks e as used now. It needs k.mu.
func (k *KeyedPolicy) use(e *entry) *entry {
	e.inUse++
	if e != k.overflow {
		k.link(e)
	}
	return e
}

func (k *KeyedPolicy) release(e *entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e.inUse--
	e.usedAt = time.Since(k.start)
	if e != k.overflow { // hasRoom finds the idle ones in the order of their ends
		k.unlink(e)
		k.link(e)
	}
}

// hasRoom makes room for one more key if it can, and drops what has been idle for
// long. It looks at a few keys only, so that a call costs the same however many
// there are; those it looked at in vain come last next time. It needs k.mu.
func (k *KeyedPolicy) hasRoom() bool {
	now := time.Since(k.start)
	for range scanLimit {
		oldest := k.lru.prev
		if oldest == &k.lru {
			break
		}
		full := len(k.entries) >= k.maxKeys
		idle := now-oldest.usedAt >= idleAfter
		if !full && !idle {
			return true
		}
		k.unlink(oldest)
		if oldest.inUse == 0 && evictable(oldest.policy) {
			delete(k.entries, oldest.key)
		} else {
			k.link(oldest)
		}
	}
	return len(k.entries) < k.maxKeys
}

// link puts e to the front. It needs k.mu.
func (k *KeyedPolicy) link(e *entry) {
	e.prev, e.next = &k.lru, k.lru.next
	e.prev.next, e.next.prev = e, e
}

func (k *KeyedPolicy) unlink(e *entry) {
	e.prev.next, e.next.prev = e.next, e.prev
}

// An Evicter is a policy that knows whether [Keyed] may forget it. One that does
// not may be forgotten whenever no call is in flight.
type Evicter interface {
	// Evictable reports whether nothing is lost with the policy. It is called
	// under a lock of the KeyedPolicy and must not call back into it.
	Evictable() bool
}

func evictable(p Policy) bool {
	e, ok := p.(Evicter)
	return !ok || e.Evictable()
}

// Evictable implements [Evicter]: it reports whether the policies of all keys are,
// for one per dependency may stand in one per tenant.
func (k *KeyedPolicy) Evictable() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.entries {
		if !evictable(e.policy) {
			return false
		}
	}
	return evictable(k.overflow.policy)
}

// Len returns the number of keys.
func (k *KeyedPolicy) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.entries)
}

// Describe implements [Describer]: it is what the policies of its keys are.
func (k *KeyedPolicy) Describe() Description {
	d := describe(k.overflow.policy)
	d.Text = "per key " + d.Text
	return d
}

// Report calls yield with the state of the policy of each key. One that several keys
// share is reported for one of them.
func (k *KeyedPolicy) Report(yield func(Status)) { k.report(make(map[Reporter]bool), yield) }

func (k *KeyedPolicy) report(seen map[Reporter]bool, yield func(Status)) {
	k.mu.Lock()
	entries := make([]*entry, 0, len(k.entries)+1)
	for _, e := range k.entries {
		entries = append(entries, e)
	}
	if k.overflow.inUse > 0 || !evictable(k.overflow.policy) {
		entries = append(entries, k.overflow)
	}
	k.mu.Unlock()
	for _, e := range entries {
		reportOnce(e.policy, seen, func(s Status) {
			s.Key = e.key
			yield(s)
		})
	}
}
