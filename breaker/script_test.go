package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
)

// TestScripts runs testdata/*.txt. Each holds one behaviour, in a sentence on top,
// and runs in virtual time. A line is a command; what follows # is a remark.
//
//	config FIELD=VALUE ...      the breaker; without it, it has the defaults
//	ok | fail | ignore [xN]     N calls that end so at once; all must be admitted
//	overload [DURATION]         a call that ends with an overload and this Retry-After
//	begin NAME                  an attempt that stays under way
//	answer NAME                 its answer comes, with a body that is still to be read
//	end NAME ok|fail|ignore     it ends; also: end NAME overload [DURATION]
//	rejected REASON [D | D..D]  a call must be rejected, with this RetryAfter; none is 0
//	rejection TEXT              a call must be rejected with this text
//	wait D                      time passes
//	wait out                    the RetryAfter of the last rejection passes
//	force-open | force-closed | reset
//	state STATE                 must be the state
//	changes [FROM->TO ...]      must be the changes since the last such line
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata (error %v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), "# ") {
				t.Fatalf("%s does not start with a sentence that says what it holds", file)
			}
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				for i, line := range strings.Split(string(text), "\n") {
					line, _, _ = strings.Cut(line, "#")
					words := strings.Fields(line)
					if len(words) == 0 {
						continue
					}
					if err := s.run(words[0], words[1:]); err != nil {
						t.Fatalf("%s:%d: %s: %v", file, i+1, strings.TrimSpace(line), err)
					}
				}
				s.close()
			})
		})
	}
}

// A script is a breaker and the calls that are under way through it.
type script struct {
	t       *testing.T
	b       *breaker.Breaker
	changes []string
	calls   map[string]*call
	last    *firebreak.RejectedError
}

// call is an attempt under way.
type call struct {
	respond chan response // what next returns
	done    chan error    // what Do returned
	body    *body         // nil until it was answered
}

type response struct {
	body *body
	err  error
}

// body is a result that is still to be read.
type body struct{ firebreak.Lifetime }

func (b *body) Discard() { b.End(firebreak.Outcome{Class: firebreak.Ignored}) }

var (
	errStatus = errors.New("status 503 Service Unavailable")
	results   = map[string]error{"ok": nil, "fail": errStatus, "ignore": context.Canceled}
)

func newScript(t *testing.T) *script {
	t.Helper()
	s := &script{t: t, calls: make(map[string]*call)}
	s.configure(breaker.Config{})
	return s
}

func (s *script) configure(cfg breaker.Config) {
	cfg.OnStateChange = func(c breaker.Change) { s.changes = append(s.changes, c.From.String()+"->"+c.To.String()) }
	s.b = breaker.New(cfg)
}

// close ends what is still under way, so that no goroutine is left.
func (s *script) close() {
	for name, c := range s.calls {
		if c.body == nil {
			close(c.respond)
			<-c.done
		}
		delete(s.calls, name)
	}
}

func (s *script) run(verb string, args []string) error {
	switch verb {
	case "config":
		return s.config(args)
	case "ok", "fail", "ignore":
		return s.repeat(results[verb], args)
	case "overload":
		err, bad := overloaded(args)
		return errors.Join(bad, s.repeat(err, nil))
	case "begin":
		return s.begin(args[0])
	case "answer":
		c := s.calls[args[0]]
		c.body = new(body)
		c.respond <- response{body: c.body}
		return <-c.done
	case "end":
		return s.end(args[0], args[1:])
	case "rejected":
		return s.rejected(args)
	case "rejection":
		if err := s.do(nil); err == nil || err.Error() != strings.Join(args, " ") {
			return fmt.Errorf("got %v", err) //nolint:errorlint // nil, too
		}
		return nil
	case "wait":
		return s.wait(args[0])
	case "force-open":
		s.b.ForceOpen()
	case "force-closed":
		s.b.ForceClosed()
	case "reset":
		s.b.Reset()
	case "state":
		if got := s.b.State().String(); got != args[0] {
			return fmt.Errorf("got %s", got)
		}
	case "changes":
		if got, want := strings.Join(s.changes, " "), strings.Join(args, " "); got != want {
			return fmt.Errorf("got %q", got)
		}
		s.changes = nil
	default:
		return errors.New("no such command")
	}
	return nil
}

func (s *script) config(args []string) error {
	var cfg breaker.Config
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		field := reflect.ValueOf(&cfg).Elem().FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("no field %q", name)
		}
		switch field.Interface().(type) {
		case time.Duration:
			d := breaker.NoHold
			if value != "NoHold" {
				var err error
				if d, err = time.ParseDuration(value); err != nil {
					return err
				}
			}
			field.SetInt(int64(d))
		case int:
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			field.SetInt(int64(n))
		default:
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return err
			}
			field.SetFloat(f)
		}
	}
	s.configure(cfg)
	return nil
}

// do makes a call whose attempt ends with err at once.
func (s *script) do(err error) error {
	_, got := s.b.Do(s.t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) { return nil, err })
	return got
}

func (s *script) repeat(err error, args []string) error {
	n := 1
	if len(args) > 0 {
		if _, scanErr := fmt.Sscanf(args[0], "x%d", &n); scanErr != nil {
			return scanErr
		}
	}
	for i := range n {
		if got := s.do(err); !errors.Is(got, err) {
			return fmt.Errorf("call %d: got %w, want %w", i+1, got, err)
		}
	}
	return nil
}

// overloaded returns the error of a call that was told to come back later.
func overloaded(args []string) (overload, bad error) {
	e := &firebreak.AttemptError{Err: errors.New("status 429 Too Many Requests"), Class: firebreak.Overload}
	if len(args) > 0 {
		e.RetryAfter, bad = time.ParseDuration(args[0])
	}
	return e, bad
}

func (s *script) begin(name string) error {
	c := &call{respond: make(chan response), done: make(chan error, 1)}
	admitted := make(chan struct{})
	go func() {
		_, err := s.b.Do(s.t.Context(), firebreak.Call{}, func(context.Context, firebreak.Call) (any, error) {
			close(admitted)
			r := <-c.respond
			if r.body != nil {
				return r.body, r.err
			}
			return nil, r.err
		})
		c.done <- err
	}()
	select {
	case <-admitted:
		s.calls[name] = c
		return nil
	case err := <-c.done:
		return fmt.Errorf("got %w, want to be admitted", err)
	}
}

func (s *script) end(name string, how []string) error {
	c, err := s.calls[name], results[how[0]]
	if how[0] == "overload" {
		var bad error
		if err, bad = overloaded(how[1:]); bad != nil {
			return bad
		}
	}
	delete(s.calls, name)
	if c.body != nil {
		c.body.End(firebreak.Call{}.Outcome(err))
		return nil
	}
	c.respond <- response{err: err}
	<-c.done
	return nil
}

func (s *script) rejected(args []string) error {
	err := s.do(nil)
	rejection, ok := errors.AsType[*firebreak.RejectedError](err)
	if !ok {
		return fmt.Errorf("got %v, want a rejection", err) //nolint:errorlint // nil, too
	}
	if !errors.Is(err, breaker.ErrOpen) {
		return fmt.Errorf("%w is not breaker.ErrOpen", err)
	}
	s.last = rejection
	if rejection.Reason != args[0] {
		return fmt.Errorf("got %s", rejection.Reason)
	}
	var low, high time.Duration
	if len(args) > 1 {
		from, to, isRange := strings.Cut(args[1], "..")
		var errs [2]error
		low, errs[0] = time.ParseDuration(from)
		high = low
		if isRange {
			high, errs[1] = time.ParseDuration(to)
		}
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
	}
	if got := rejection.RetryAfter; got < low || got > high {
		return fmt.Errorf("got RetryAfter %v", got)
	}
	return nil
}

func (s *script) wait(arg string) error {
	if arg == "out" {
		time.Sleep(s.last.RetryAfter)
		return nil
	}
	d, err := time.ParseDuration(arg)
	if err != nil {
		return err
	}
	time.Sleep(d)
	synctest.Wait() // for the timers that ran
	return nil
}
