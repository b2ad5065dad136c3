package retry_test

import (
	"testing"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/retry"
)

func TestContract(t *testing.T) {
	policytest.Run(t, func() firebreak.Policy { return retry.New(retry.Config{}) })
}
