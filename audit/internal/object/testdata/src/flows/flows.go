// Package flows makes clients. The comment behind each says what it is given as Timeout,
// and how it is used.
package flows

import (
	"net/http"
	"sync"
	"time"

	"example.com/lib"

	"flows/other"
)

func literal() {
	c := &http.Client{} // is nothing: called Get
	c.Get("")
}

func zero() {
	c := http.Client{Timeout: 0} // is zero: called Get
	c.Get("")
}

func constant() {
	c := http.Client{Timeout: time.Second} // is something: called Get
	c.Get("")
}

func negative() {
	c := http.Client{Timeout: -1} // is negative: called Get
	c.Get("")
}

func made() {
	c := new(http.Client) // is something: called Head
	c.Timeout = time.Duration(len("abc"))
	c.Head("")
}

func declared() {
	var c http.Client // is nothing: called Get
	c.Get("")
}

const none = 0

func zeroByConstant() {
	c := &http.Client{Timeout: none * time.Second} // is zero:
	_ = c
}

// Parameters are what the callers pass.

func passZero() { byParameter(0) }

func byParameter(d time.Duration) {
	c := &http.Client{Timeout: d} // is zero: called Get
	c.Get("")
}

func passOne() { byParameters(0); byParameters(time.Second) }

func byParameters(d time.Duration) {
	c := &http.Client{Timeout: d} // is something: called Get
	c.Get("")
}

// Exported may be called by others.
func Exported(d time.Duration) {
	c := &http.Client{Timeout: d} // is something: called Get
	c.Get("")
}

func zeroResult() time.Duration { return 0 }

func byResult() {
	c := &http.Client{Timeout: zeroResult()} // is zero: called Get
	c.Get("")
}

func branch(long bool) {
	d := time.Duration(0)
	if long {
		d = time.Minute
	}
	c := &http.Client{Timeout: d} // is something: called Get
	c.Get("")
}

func byAddress() {
	c := &http.Client{} // is something: called Get
	fill(&c.Timeout)
	c.Get("")
}

func fill(d *time.Duration) { *d = time.Second }

// Other packages use and set.

func elsewhere() {
	c := &http.Client{} // is something: called Get
	other.Limit(c, time.Second)
	other.Get(c)
}

func held() *other.Holder {
	return &other.Holder{Client: &http.Client{}} // is nothing: called Head
}

// Variables of the package, by value and by address.

var (
	value   http.Client      // is something: called Get
	pointer = &http.Client{} // is nothing: called Head
	written = http.Client{}  // is something: called Get
)

func init() { value.Timeout, written.Timeout = 1, 1 }

func variables() {
	value.Get("")
	pointer.Head("")
	written.Get("")
}

// Fields by value and by address, embedded too.

type holder struct {
	value   http.Client
	pointer *http.Client
	http.Client
}

func newHolder() *holder {
	h := &holder{
		value: http.Client{}, // is something: called Get
	}
	h.pointer = &http.Client{} // is nothing: called Head
	h.Client = http.Client{}   // is nothing: called Post
	h.value.Timeout = 1
	return h
}

func (h *holder) use() {
	h.value.Get("")
	h.pointer.Head("")
	h.Post("", "", nil)
}

// Closures, containers, channels, interfaces.

func captured() func() {
	c := &http.Client{} // is nothing: called Get
	return func() { c.Get("") }
}

func assigned() {
	var c *http.Client
	func() {
		c = &http.Client{} // is nothing: called Get
	}()
	c.Get("")
}

func inMap(m map[string]*http.Client) {
	m["a"] = &http.Client{} // is nothing: called Get
	for _, c := range m {
		c.Get("")
	}
}

func inSlice() {
	all := []*http.Client{{}} // is nothing: called Get
	all[0].Get("")
}

func inChannel(ch chan *http.Client) {
	ch <- &http.Client{} // is nothing: called Get
	(<-ch).Get("")
}

type getter interface {
	Get(string) (*http.Response, error)
}

func inInterface() {
	var g getter = &http.Client{} // is nothing: called Get
	g.Get("")
}

func inSyncMap(m *sync.Map) {
	m.Store("a", &http.Client{}) // is nothing: passed Store, called Store*, called Load*, called Get*
	c, _ := m.Load("a")
	c.(*http.Client).Get("")
}

// In generic code each type has its own ways.

type box[T any] struct{ in T }

func (b *box[T]) put(v T) { b.in = v }
func (b *box[T]) get() T  { return b.in }

func inBox(clients *box[*http.Client], libs *box[*lib.Client]) {
	clients.put(&http.Client{})       // is nothing: called Get
	c, err := lib.New(&http.Client{}) // is nothing: passed New, called Fetch*
	if err == nil {
		libs.put(c)
	}
	clients.get().Get("")
	libs.get().Fetch()
}

// A helper that is called twice gives each caller its own.

func same(c *http.Client) *http.Client { return c }

func twice() {
	a := same(&http.Client{}) // is nothing: called Get
	b := same(&http.Client{}) // is something: called Head
	b.Timeout = 1
	a.Get("")
	b.Head("")
}

// Options set what they are given.

type option func(*http.Client)

func limit(d time.Duration) option { return func(c *http.Client) { c.Timeout = d } }

func build(options ...option) *http.Client {
	c := &http.Client{} // is something: called Get
	for _, o := range options {
		o(c)
	}
	return c
}

func options() { build(limit(1)).Get("") }

// Libraries make something of a client.

func product() {
	c, err := lib.New(&http.Client{}) // is nothing: passed New, called Fetch*, called Fetch*
	if err != nil {
		return
	}
	c.Fetch()
	c.Part.Fetch()
}

func inConfig() {
	c := lib.NewFrom(lib.Config{HTTP: &http.Client{}}) // is nothing: passed NewFrom*, stored HTTP, called Fetch*
	c.Fetch()
}

func boundMethod() func(string) (*http.Response, error) {
	c := &http.Client{} // is nothing: bound Get
	return c.Get
}

// Handed is used by whoever calls.
func Handed() *http.Client {
	return &http.Client{} // is nothing: handed
}

// Copies are what they are copied from.

func copied() {
	a := http.Client{} // is something: called Get, called Get
	b := a
	b.Timeout = 1
	a.Get("")
	b.Get("")
}

func copiedDefault() {
	c := *http.DefaultClient // is something: called Get
	c.Timeout = 1
	c.Get("")
}

// Libraries' own clients.

func mentions() {
	lib.Default.Get("")
	c := lib.Default
	c.Timeout = 1
	lib.Make().Get("")
}
