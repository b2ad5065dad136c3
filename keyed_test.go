package firebreak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/quick"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/timeout"
)

// A keyed is a KeyedPolicy under test whose policies note that they ran.
type keyed struct {
	*firebreak.KeyedPolicy
	last *keyPolicy
	made int
}

// keyPolicy is the policy of one key. There is one object for each time that
// newPolicy was called.
type keyPolicy struct {
	k      *keyed
	key    string
	pinned bool
}

func (p *keyPolicy) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	p.k.last = p
	return next(ctx, c)
}

func (p *keyPolicy) Evictable() bool { return !p.pinned }

func (p *keyPolicy) Report(yield func(firebreak.Status)) { yield(firebreak.Status{Policy: "key"}) }

func newKeyed(maxKeys int) *keyed {
	k := new(keyed)
	k.KeyedPolicy = firebreak.Keyed(firebreak.ByTarget, func(key string) firebreak.Policy {
		k.made++
		return &keyPolicy{k: k, key: key}
	}, firebreak.MaxKeys(maxKeys))
	return k
}

// call makes a call that has ended, and returns the policy that it went through.
func (k *keyed) call(t *testing.T, key string) *keyPolicy {
	t.Helper()
	return k.start(t, key, nil)
}

// start makes a call that ends with its result.
func (k *keyed) start(t *testing.T, key string, result any) *keyPolicy {
	t.Helper()
	if _, err := k.Do(t.Context(), firebreak.Call{Target: key}, answer(result, nil)); err != nil {
		t.Fatal(err)
	}
	return k.last
}

func TestKeyedKeepsOnePolicyPerKey(t *testing.T) {
	k := newKeyed(10)
	a, b := k.call(t, "a"), k.call(t, "b")
	if a == b || a.key != "a" || b.key != "b" {
		t.Errorf("the policies of a and b are of %q and %q, the same: %t", a.key, b.key, a == b)
	}
	if k.call(t, "a") != a || k.call(t, "b") != b || k.call(t, "a") != a {
		t.Error("a key has another policy in its second call")
	}
	if got := k.Len(); got != 2 {
		t.Errorf("Len() = %d, want 2", got)
	}
	if empty := k.call(t, ""); empty.key != "" || k.Len() != 3 {
		t.Errorf("the empty key has a policy of %q and Len() = %d, want one of its own", empty.key, k.Len())
	}
}

// Behaviour 226: "LRU".
func TestA12_226_KeyedEvictsLeastRecentlyUsed(t *testing.T) {
	k := newKeyed(2)
	a, b := k.call(t, "a"), k.call(t, "b")
	k.call(t, "a")
	c := k.call(t, "c") // in the place of b
	if got := k.Len(); got != 2 {
		t.Errorf("Len() = %d, want 2", got)
	}
	if k.call(t, "a") != a || k.call(t, "c") != c {
		t.Error("the keys that were used last were forgotten")
	}
	if k.call(t, "b") == b {
		t.Error("the key that was used the longest ago was not forgotten")
	}
}

// Behaviour 226: "never evict an entry with permits out or an open breaker before
// its time; overflow key shares one bucket ('other'), never 'unlimited'".
func TestA12_226_KeyedOverflow(t *testing.T) {
	k := newKeyed(2)
	inUse := new(body)
	a, b := k.start(t, "a", inUse), k.call(t, "b")
	b.pinned = true
	x, y := k.call(t, "x"), k.call(t, "y")
	if x != y || x.key != firebreak.OverflowKey {
		t.Errorf("x and y have policies of %q and %q, want both the one of %q", x.key, y.key, firebreak.OverflowKey)
	}
	if k.call(t, "a") != a || k.call(t, "b") != b || k.Len() != 2 {
		t.Errorf("a key with a call in flight, or one that is pinned, was forgotten; Len() = %d, want 2", k.Len())
	}
	inUse.End(firebreak.Outcome{})
	if got := k.call(t, "x"); got.key != "x" {
		t.Errorf("x has a policy of %q after a had ended, want its own", got.key)
	}
	if k.call(t, "b") != b {
		t.Error("a pinned key was forgotten")
	}
	if got := k.call(t, "a"); got == a || got.key != "a" {
		t.Errorf("a has the policy of %q, the one from before: %t, want a new one", got.key, got == a)
	}
}

// Behaviour 226: "never evict an entry with an open breaker before its time", also one
// that stands in a KeyedPolicy of its own, or is what its overflow shares.
func TestA12_226_KeyedInKeyedIsNotEvicted(t *testing.T) {
	for _, pinned := range []string{"host", firebreak.OverflowKey} {
		inner := make(map[string]*keyed)
		outer := firebreak.Keyed(func(c firebreak.Call) string { return c.Op }, func(tenant string) firebreak.Policy {
			inner[tenant] = newKeyed(1)
			return firebreak.New("test", inner[tenant].KeyedPolicy)
		}, firebreak.MaxKeys(1))
		call := func(tenant, target string) *keyPolicy {
			_, _ = outer.Do(t.Context(), firebreak.Call{Op: tenant, Target: target}, answer(nil, nil))
			return inner[tenant].last
		}
		host := call("a", "host")
		if pinned == firebreak.OverflowKey {
			host.pinned = true
			if host = call("a", "another host"); host.key != pinned {
				t.Fatalf("the call went through the policy of %q, want %q", host.key, pinned)
			}
			inner["a"].call(t, "host").pinned = false
		}
		host.pinned = true
		kept := inner["a"]
		call("b", "host")
		call("a", "host")
		if inner["a"] != kept {
			t.Errorf("tenant a was forgotten while the policy of its key %q had something to remember", pinned)
		}
		host.pinned = false
		call("b", "host")
		call("a", "host")
		if inner["a"] == kept {
			t.Errorf("tenant a was not forgotten, and has nothing to remember for %q", pinned)
		}
	}
}

// A limit holds for all keys of the overflow together, and for a key that moves.
func TestA12_226_OverflowIsLimited(t *testing.T) {
	k := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return &slots{free: 2} }, firebreak.MaxKeys(1))
	var held []*body
	admitted := 0
	for i := range 20 {
		b := new(body)
		held = append(held, b)
		if _, err := k.Do(t.Context(), firebreak.Call{Target: fmt.Sprint(i)}, answer(b, nil)); err == nil {
			admitted++
		}
	}
	if admitted != 3 { // one of the first key, two of all others
		t.Errorf("%d calls at once of 20 keys, want 3", admitted)
	}
	for _, b := range held {
		b.End(firebreak.Outcome{})
	}
}

// Behaviour 226: "T: 10^6 random keys, heap < limit, open breaker of a real key
// still open."
func TestA12_226_KeyedIsBoundedUnderHostileKeys(t *testing.T) {
	n := 1_000_000
	if raceDetector || testing.Short() {
		n = 50_000
	}
	k := newKeyed(firebreak.DefaultMaxKeys)
	open := k.call(t, "open")
	open.pinned = true
	busy := new(body)
	inUse := k.start(t, "busy", busy)
	for i := range firebreak.DefaultMaxKeys {
		k.call(t, fmt.Sprint("first ", i))
	}
	random := rand.New(rand.NewPCG(1, 2))
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range n {
		k.call(t, fmt.Sprintf("hostile %x", random.Uint64()))
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes with %d keys, want at most 1 MiB", grown, n)
	}
	if got := k.Len(); got != firebreak.DefaultMaxKeys {
		t.Errorf("Len() = %d, want %d", got, firebreak.DefaultMaxKeys)
	}
	if k.call(t, "open") != open || k.call(t, "busy") != inUse {
		t.Errorf("a pinned key, or one with a call in flight, was forgotten after %d keys", n)
	}
	busy.End(firebreak.Outcome{})
}

// However many keys are pinned, a call looks at a few of them only, and all others
// share one policy.
func TestA12_226_AllKeysPinned(t *testing.T) {
	k := newKeyed(100)
	for i := range 100 {
		k.call(t, fmt.Sprint(i)).pinned = true
	}
	for i := range 1000 {
		if got := k.call(t, fmt.Sprint("new ", i)); got.key != firebreak.OverflowKey {
			t.Fatalf("key %d has a policy of %q, want that of the overflow", i, got.key)
		}
	}
	for i := range 100 {
		if got := k.call(t, fmt.Sprint(i)); !got.pinned {
			t.Fatalf("key %d was forgotten", i)
		}
	}
}

// "Keys that were not used for ten minutes are forgotten", when a new one comes.
func TestA12_226_KeyedForgetsIdleKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(100)
		held := new(body)
		heldPolicy, pinned := k.start(t, "held", held), k.call(t, "pinned")
		pinned.pinned = true
		for i := range 5 {
			k.call(t, fmt.Sprint(i))
		}
		time.Sleep(10*time.Minute - 1)
		k.call(t, "0")
		k.call(t, "new")
		if got := k.Len(); got != 8 {
			t.Errorf("Len() just before ten minutes = %d, want all 8", got)
		}
		time.Sleep(1)
		k.call(t, "newer")
		if got := k.Len(); got != 5 { // held, pinned, 0, new and newer
			t.Errorf("Len() after ten minutes = %d, want 5", got)
		}
		time.Sleep(10 * time.Minute)
		held.End(firebreak.Outcome{})
		time.Sleep(10*time.Minute - 1)
		for i := range 5 {
			k.call(t, fmt.Sprint("newest ", i))
		}
		if k.call(t, "held") != heldPolicy || k.call(t, "pinned") != pinned {
			t.Error("a pinned key, or one whose result ended less than ten minutes ago, was forgotten")
		}
		if got := k.Len(); got != 7 {
			t.Errorf("Len() = %d, want these two and 5 new ones", got)
		}
	})
}

// Behaviour 220: "time jumps" do not cost more.
func TestA12_220_KeyedAfterAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(2)
		a := k.call(t, "a")
		time.Sleep(365 * 24 * time.Hour)
		if k.call(t, "a") != a {
			t.Error("a key was forgotten without a new one")
		}
		k.call(t, "b")
		if k.call(t, "a") != a {
			t.Error("a key that had just been used was forgotten")
		}
	})
}

// Behaviour 230: "Panic in user callbacks (classifier, listener, key function)".
func TestA12_230_KeyedSurvivesPanics(t *testing.T) {
	boom := ""
	k := firebreak.Keyed(func(c firebreak.Call) string {
		if boom == "key" {
			panic(boom)
		}
		return c.Target
	}, func(key string) firebreak.Policy {
		switch boom {
		case "newPolicy":
			panic(boom)
		case "nil":
			return (*slots)(nil)
		}
		return &slots{free: 1}
	}, firebreak.MaxKeys(1))
	call := func(key string) {
		_, _ = k.Do(t.Context(), firebreak.Call{Target: key}, func(context.Context, firebreak.Call) (any, error) {
			switch boom {
			case "next":
				panic(boom)
			case "Goexit":
				runtime.Goexit()
			}
			return nil, nil
		})
	}
	for _, boom = range []string{"key", "newPolicy", "nil", "next", "Goexit"} {
		inGoroutine(func() {
			v := panicOf(func() {
				call("a")
				t.Errorf("%s: Do returned", boom)
			})
			if boom != "Goexit" && !strings.Contains(fmt.Sprint(v), boom) {
				t.Errorf("%s: panicked with %v", boom, v)
			}
		})
		was := boom
		boom = ""
		call("a")
		call("b") // a is not in use any more: it makes room
		if got := k.Len(); got != 1 {
			t.Errorf("%s: Len() = %d, want 1", was, got)
		}
		if _, err := k.Do(t.Context(), firebreak.Call{Target: "c"}, answer(nil, nil)); err != nil {
			t.Errorf("%s: a good call afterwards: %v", was, err)
		}
	}
}

// "Both run without a lock": they may use the KeyedPolicy.
func TestA12_215_KeyedCallbacksHaveNoLock(t *testing.T) {
	var k *firebreak.KeyedPolicy
	k = firebreak.Keyed(func(c firebreak.Call) string {
		k.Len()
		return c.Target
	}, func(string) firebreak.Policy {
		if k != nil {
			k.Len()
			k.Report(func(firebreak.Status) {})
		}
		return &evictable{}
	})
	_, _ = k.Do(t.Context(), firebreak.Call{Target: "a"}, func(ctx context.Context, _ firebreak.Call) (any, error) {
		k.Report(func(firebreak.Status) { k.Len() })
		return k.Do(ctx, firebreak.Call{Target: "b"}, answer(nil, nil))
	})
	if got := k.Len(); got != 2 {
		t.Errorf("Len() = %d, want 2", got)
	}
}

// Behaviour 218: "constructor error, not panic at the first call".
func TestA12_218_KeyedPanicsAtTheStart(t *testing.T) {
	good := func(string) firebreak.Policy { return new(slots) }
	for want, f := range map[string]func(){
		"key or newPolicy is nil":         func() { firebreak.Keyed(nil, good) },
		"newPolicy is nil":                func() { firebreak.Keyed(firebreak.ByTarget, nil) },
		`newPolicy("(other)") is nil`:     func() { firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return nil }) },
		"MaxKeys is 0, want more than 0":  func() { firebreak.Keyed(firebreak.ByTarget, good, firebreak.MaxKeys(0)) },
		"MaxKeys is -1, want more than 0": func() { firebreak.Keyed(firebreak.ByTarget, good, firebreak.MaxKeys(-1)) },
		"timeout is 0s": func() {
			firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return timeout.New(0) })
		},
	} {
		if got := panicText(t, f); !strings.Contains(got, want) {
			t.Errorf("Keyed panicked with %q, want %q in it", got, want)
		}
	}
}

func TestKeyedReports(t *testing.T) {
	k := newKeyed(2)
	reported := func() []string {
		var keys []string
		k.Report(func(s firebreak.Status) { keys = append(keys, s.Policy+" "+s.Key) })
		slices.Sort(keys)
		return keys
	}
	a, b, over := new(body), new(body), new(body)
	k.start(t, "a", a)
	k.start(t, "b", b)
	if got, want := reported(), []string{"key a", "key b"}; !slices.Equal(got, want) {
		t.Errorf("Report yielded %q, want %q", got, want)
	}
	k.start(t, "c", over)
	if got, want := reported(), []string{"key (other)", "key a", "key b"}; !slices.Equal(got, want) {
		t.Errorf("Report while the overflow is in use yielded %q, want %q", got, want)
	}
	over.End(firebreak.Outcome{})
	if got, want := reported(), []string{"key a", "key b"}; !slices.Equal(got, want) {
		t.Errorf("Report yielded %q, want %q", got, want)
	}
	// What is open shows, though no call is in flight: it rejects them all.
	a, b, over = new(body), new(body), new(body)
	k.start(t, "a", a)
	k.start(t, "b", b)
	k.start(t, "c", over).pinned = true
	over.End(firebreak.Outcome{})
	if got, want := reported(), []string{"key (other)", "key a", "key b"}; !slices.Equal(got, want) {
		t.Errorf("Report while the overflow has something to remember yielded %q, want %q", got, want)
	}
	// A policy without a state is left out.
	silent := firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return &slots{free: 1} })
	_, _ = silent.Do(t.Context(), firebreak.Call{}, answer(nil, nil))
	silent.Report(func(s firebreak.Status) { t.Errorf("Report yielded %+v of a policy without a state", s) })
}

// A script of calls, ends and waits is played to a KeyedPolicy and to a slice.
func TestKeyedAgainstModel(t *testing.T) {
	check := func(seed uint64) (same bool) {
		synctest.Test(t, func(t *testing.T) { same = playKeyed(t, seed) })
		return same
	}
	count := 300
	if raceDetector {
		count = 50
	}
	if err := quick.Check(check, &quick.Config{MaxCount: count}); err != nil {
		t.Error(err)
	}
}

// modelKeys is the dumb version: a slice, the one that was used last in front.
type modelKeys struct {
	maxKeys int
	start   time.Time
	keys    []*modelKey
}

type modelKey struct {
	key    string
	policy *keyPolicy
	inUse  int
	usedAt time.Time
}

// find returns the key, in front, or nil if there is none and no room for it.
func (m *modelKeys) find(key string) *modelKey {
	if i := slices.IndexFunc(m.keys, func(k *modelKey) bool { return k.key == key }); i >= 0 {
		found := m.keys[i]
		m.keys = slices.Insert(slices.Delete(m.keys, i, i+1), 0, found)
		return found
	}
	for range 8 {
		if len(m.keys) == 0 {
			break
		}
		last := m.keys[len(m.keys)-1]
		if len(m.keys) < m.maxKeys && time.Since(last.usedAt) < 10*time.Minute {
			break
		}
		m.keys = m.keys[:len(m.keys)-1]
		if last.inUse > 0 || last.policy.pinned {
			m.keys = slices.Insert(m.keys, 0, last)
		}
	}
	if len(m.keys) >= m.maxKeys {
		return nil
	}
	m.keys = slices.Insert(m.keys, 0, &modelKey{key: key, usedAt: m.start})
	return m.keys[0]
}

func playKeyed(t *testing.T, seed uint64) bool {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	m := &modelKeys{maxKeys: 1 + random.IntN(12), start: time.Now()}
	k := newKeyed(m.maxKeys)
	var ends []func()
	for range 300 {
		switch n := random.IntN(20); {
		case n == 0:
			time.Sleep(time.Duration(random.IntN(6)) * time.Minute)
		case n < 5 && len(ends) > 0:
			i := random.IntN(len(ends))
			ends[i]()
			ends = slices.Delete(ends, i, i+1)
		default:
			key := fmt.Sprint(random.IntN(16))
			want := m.find(key)
			b := new(body)
			got := k.start(t, key, b)
			switch {
			case want == nil:
				if got.key != firebreak.OverflowKey {
					t.Logf("seed %d: %q has a policy of %q, want the overflow", seed, key, got.key)
					return false
				}
				ends = append(ends, func() { b.End(firebreak.Outcome{}) })
				continue
			case want.policy == nil:
				want.policy = got
				got.pinned = random.IntN(4) == 0
			}
			if got != want.policy || got.key != key || k.Len() != len(m.keys) {
				t.Logf("seed %d: %q has a policy of %q, another one: %t, Len() = %d, want %d",
					seed, key, got.key, got != want.policy, k.Len(), len(m.keys))
				return false
			}
			want.inUse++
			ends = append(ends, func() {
				b.End(firebreak.Outcome{})
				want.inUse--
				want.usedAt = time.Now()
				m.find(key)
			})
			if random.IntN(3) > 0 { // most calls are short
				ends[len(ends)-1]()
				ends = ends[:len(ends)-1]
			}
		}
	}
	for _, end := range ends {
		end()
	}
	return true
}

// inUse is what a key has in its calls in flight.
type inUse struct {
	policy *keyUse
	calls  int
}

// keyUse is a policy that looks whether it is the only one of its key.
type keyUse struct {
	t   *testing.T
	key string

	mu   *sync.Mutex // guards the fields below
	keys map[string]*inUse
}

func (p *keyUse) Do(ctx context.Context, c firebreak.Call, next firebreak.Handler) (any, error) {
	p.mu.Lock()
	use := p.keys[p.key]
	if use == nil {
		use = new(inUse)
		p.keys[p.key] = use
	}
	switch {
	case p.key != firebreak.OverflowKey && p.key != c.Target:
		p.t.Errorf("a call to %q goes through the policy of %q", c.Target, p.key)
	case use.calls > 0 && use.policy != p:
		p.t.Errorf("two policies of %q are in use at once", p.key)
	}
	use.policy = p
	use.calls++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		use.calls--
	}()
	return next(ctx, c)
}

// While a call of a key is in flight, all its other calls go through the same
// policy, or through that of the overflow.
func TestKeyedConcurrently(t *testing.T) {
	const maxKeys = 8
	mu, keys := new(sync.Mutex), make(map[string]*inUse)
	k := firebreak.Keyed(firebreak.ByTarget, func(key string) firebreak.Policy {
		return &keyUse{t: t, key: key, mu: mu, keys: keys}
	}, firebreak.MaxKeys(maxKeys))
	hold := func(prefix string) (held []*body) { // as many keys as there is room for
		for i := range maxKeys {
			held = append(held, new(body))
			_, _ = k.Do(t.Context(), firebreak.Call{Target: fmt.Sprint(prefix, i)}, answer(held[i], nil))
		}
		return held
	}
	end := func(held []*body) {
		for _, b := range held {
			b.End(firebreak.Outcome{})
		}
	}
	held := hold("")
	var users sync.WaitGroup
	for g := range 16 {
		users.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 3))
			for i := range 300 {
				if i == 100 {
					end(held)
				}
				b := new(body)
				_ = panicOf(func() {
					_, _ = k.Do(t.Context(), firebreak.Call{Target: fmt.Sprint(random.IntN(24))}, func(context.Context, firebreak.Call) (any, error) {
						runtime.Gosched()
						switch random.IntN(8) {
						case 0:
							panic("boom")
						case 1:
							return nil, errFailure
						}
						return b, nil
					})
				})
				if got := k.Len(); got > maxKeys {
					t.Errorf("Len() = %d, want at most %d", got, maxKeys)
				}
				b.End(firebreak.Outcome{})
			}
		})
	}
	users.Wait()
	if keys[firebreak.OverflowKey] == nil {
		t.Error("no call went through the overflow: the test does not test it")
	}
	// Nothing is in use any more: as many new keys find room.
	delete(keys, firebreak.OverflowKey)
	end(hold("new "))
	if keys[firebreak.OverflowKey] != nil {
		t.Errorf("%d new keys did not find room: one from before is still in use", maxKeys)
	}
}

func TestKeyedKeepsTheContract(t *testing.T) {
	policytest.Run(t, func() firebreak.Policy {
		return firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return &slots{free: 4} }, firebreak.MaxKeys(2))
	})
}
