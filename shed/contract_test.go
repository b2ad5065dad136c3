package shed_test

import (
	"testing"

	"github.com/firebreak-go/firebreak"
	"github.com/firebreak-go/firebreak/policytest"
	"github.com/firebreak-go/firebreak/shed"
)

func TestContract(t *testing.T) {
	policytest.Run(t, func() firebreak.Policy { return shed.New(shed.Config{}) })
}

func TestContractInShadow(t *testing.T) {
	policytest.Run(t, func() firebreak.Policy { return shed.New(shed.Config{Shadow: true}) })
}
