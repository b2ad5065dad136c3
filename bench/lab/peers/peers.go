// Package peers has the limiters that the laboratory compares firebreak with, each as
// its users would set it up. Where one is written anew for virtual time, its comment
// names the version, the settings and the differences.
package peers

import "github.com/firebreak-go/firebreak/bench/lab/sim"

// All returns the peers, the adaptive ones first.
func All() []sim.Maker {
	return []sim.Maker{Failsafe(), Gradient2(), Vegas(), CoDel(), Fixed(), None()}
}
