package breaker_test

import (
	"testing"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/breaker"
	"github.com/firebreak-go/firebreak/policytest"
)

func TestContract(t *testing.T) {
	for _, cfg := range []breaker.Config{{}, {ConsecutiveFailures: 1, Probes: 1}, {SlowAfter: 1e9, FairTime: 1e9}} {
		policytest.Run(t, func() firebreak.Policy { return breaker.New(cfg) })
	}
}
