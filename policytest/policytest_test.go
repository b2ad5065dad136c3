package policytest_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/timeout"
)

func TestRunPasses(t *testing.T) {
	second := func() firebreak.Policy { return timeout.New(time.Second) }
	for name, newPolicy := range map[string]func() firebreak.Policy{
		"Timeout":   second,
		"Unbounded": func() firebreak.Policy { return timeout.Unbounded("test") },
		"Keyed": func() firebreak.Policy {
			return firebreak.Keyed(firebreak.ByTarget, func(string) firebreak.Policy { return second() })
		},
		"Stack":    func() firebreak.Policy { return firebreak.New("inner", second(), &limit{places: 4}) },
		"Empty":    func() firebreak.Policy { return firebreak.New("inner") },
		"Limit":    func() firebreak.Policy { return &limit{places: 4} },
		"Reserver": func() firebreak.Policy { return newReserving() },
		"Repeater": func() firebreak.Policy { return repeater{} },
		"Waiter":   func() firebreak.Policy { return newWaiter() },
		"Fallback": func() firebreak.Policy { return fallback{} },
	} {
		t.Run(name, func(t *testing.T) { policytest.Run(t, newPolicy) })
	}
}

// brokenPolicy is the environment variable that names the policy that TestBroken
// checks. It is set in subprocesses only: their failure is the success here.
const brokenPolicy = "POLICYTEST_BROKEN"

func TestBroken(t *testing.T) {
	name := os.Getenv(brokenPolicy)
	if name == "" {
		t.Skip("runs in subprocesses of TestRunFindsBrokenPolicies")
	}
	i := slices.IndexFunc(broken, func(b brokenCase) bool { return b.name == name })
	policytest.Run(t, broken[i].newPolicy)
}

func TestRunFindsBrokenPolicies(t *testing.T) {
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$", "-test.timeout=60s") //nolint:gosec // this very binary
			cmd.Env = append(os.Environ(), brokenPolicy+"="+b.name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("policytest.Run passed, want it to fail %s", b.rule)
			}
			failedRules := regexp.MustCompile(`--- FAIL: TestBroken/(\S+)`).FindAllStringSubmatch(string(out), -1)
			if b.rule != "" && !slices.ContainsFunc(failedRules, func(m []string) bool { return m[1] == b.rule }) {
				t.Errorf("failed rules %v, want %s among them; output:\n%s", failedRules, b.rule, out)
			}
			if !strings.Contains(string(out), b.says) {
				t.Errorf("output does not say %q:\n%s", b.says, out)
			}
		})
	}
}
